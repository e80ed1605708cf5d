"""What recurrent layers share."""

from typing import Any

import numpy as np
import pytest

import lamina
from lamina import RecurrentLayer
from lamina.errors import ShapeError
from lamina.layers import Dense


@pytest.mark.parametrize("cls", [lamina.layers.SimpleRNN, lamina.layers.LSTM, lamina.layers.GRU])
def test_the_recurrent_layers_are_of_one_kind(cls: type[RecurrentLayer]) -> None:
    assert issubclass(cls, RecurrentLayer)
    lengths = np.array([1])
    assert cls(2).output_lengths(lengths) is None  # type: ignore[call-arg]
    assert cls(2, return_sequences=True).output_lengths(lengths) is lengths  # type: ignore[call-arg]
    for shape in ((None, 3), (None, 2, 3, 4)):
        with pytest.raises(ShapeError, match=rf"^{cls.__name__}: expected \(batch, time, features\), got "):
            cls(2).build(shape)  # type: ignore[call-arg]


def test_a_recurrent_layer_that_lacks_a_method_says_which() -> None:
    class Unfinished(RecurrentLayer):
        return_sequences = return_state = go_backwards = False

    with pytest.raises(NotImplementedError, match=r"^Unfinished does not define state_sizes$"):
        Unfinished().build((None, None, 2))
    assert not isinstance(Dense(1), RecurrentLayer)


@pytest.mark.parametrize("make", [lamina.layers.SimpleRNN, lamina.layers.LSTM, lamina.layers.GRU])
@pytest.mark.parametrize("backend", ["numpy", "reference"])
def test_without_the_input_gradient_initial_states_still_get_theirs(make: Any, backend: str) -> None:
    layer = make(3)
    layer.build((None, None, 2), seed=0, dtype="float64", backend=backend)
    x, given = np.ones((2, 4, 2)), [np.full((2, 3), 0.5) for _ in layer.state_sizes]
    y, saved = layer.forward(x, *given)
    expected = layer.backward(y, saved)
    dx, *dstates = layer.backward(y, layer.forward(x, *given)[1], input_gradient=False)
    assert dx is None
    for own, other in zip(dstates, expected[1:], strict=True):
        np.testing.assert_array_equal(own, other)
    assert layer.backward(y, layer.forward(x)[1], input_gradient=False) is None


def test_a_recurrent_layer_of_ones_own_need_not_take_input_gradient() -> None:
    class Sum(RecurrentLayer):
        state_sizes = (2,)
        return_sequences = return_state = go_backwards = False

        def create(self, features: int, states: Any) -> None: ...

        def run(self, x: Any, states: Any, lengths: Any) -> Any:
            return x.cumsum(axis=1), (x.sum(axis=1),), x.shape

        def run_backward(self, dh: Any, dstates: Any, saved: Any) -> Any:
            return np.broadcast_to(dstates[0][:, None], saved), dstates

    layer = Sum()
    layer.build((None, None, 2))
    y, saved = layer.forward(np.ones((1, 3, 2), "float32"))
    assert layer.backward(y, saved).shape == (1, 3, 2)
    assert layer.backward(y, layer.forward(np.ones((1, 3, 2), "float32"))[1], input_gradient=False) is None
