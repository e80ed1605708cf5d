"""What recurrent layers share, and cells of one's own."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import Cell, Parameter, Recurrent, RecurrentLayer
from lamina.errors import ArgumentError, ShapeError
from lamina.layers import Dense


class Fade(Cell):
    """h' = w h + x."""

    def __init__(self, units: int) -> None:
        self.units = units

    def build(self, x: Any, h: Any) -> Any:
        self.w = Parameter((), 2.0)
        return h

    def forward(self, x: Any, h: Any) -> Any:
        return h * self.w.data + x, h

    def backward(self, dh: Any, saved: Any) -> Any:
        self.w.grad += (dh * saved).sum()
        return dh, dh * self.w.data


class Two(Fade):
    """A second state counts the steps."""

    @property
    def state_sizes(self) -> tuple[int, ...]:
        return (self.units, 1)

    def build(self, x: Any, h: Any, count: Any) -> Any:
        self.w = Parameter((), 2.0)
        return h, count

    def forward(self, x: Any, h: Any, count: Any) -> Any:
        return (h * self.w.data + x, count + 1), h

    def backward(self, gradients: Any, saved: Any) -> Any:
        dh, dcount = gradients
        self.w.grad += (dh * saved).sum()
        return dh, dh * self.w.data, dcount


X = np.array([[[1.0], [2.0], [3.0]], [[4.0], [5.0], [np.nan]]])
X.flags.writeable = False


def built(cell: Cell, *states: Any, **settings: Any) -> Recurrent:
    layer = Recurrent(cell, **settings)
    layer.build((None, None, 1), *states, dtype="float64")
    return layer


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize(("backwards", "y"), [(False, [[1, 4, 11], [4, 13, 0]]), (True, [[17, 8, 3], [14, 5, 0]])])
def test_a_cell_of_ones_own_by_hand(backend: str, backwards: bool, y: Any) -> None:
    layer = Recurrent(Fade(1), return_sequences=True, return_state=True, go_backwards=backwards)
    assert layer.build((None, None, 1), backend=backend, dtype="float64") == ((None, None, 1), (None, 1))
    assert list(layer.named_parameters()) == ["cell.w"]
    (every, last), saved = layer.forward(X, lengths=np.array([3, 2]))
    assert every[:, :, 0].tolist() == y
    assert last[:, 0].tolist() == ([17, 14] if backwards else [11, 13])
    # Only the last states count: 4, 2, 1 from the first step read to the last.
    dx = layer.backward((np.zeros((2, 3, 1)), np.ones((2, 1))), saved)
    assert dx[:, :, 0].tolist() == ([[1, 2, 4], [1, 2, 0]] if backwards else [[4, 2, 1], [2, 1, 0]])
    # d h_3 / d w = h_2 + w h_1 and d h_2 / d w = h_1
    assert float(layer.cell.w.grad) == (8 + 2 * 3 + 5 if backwards else 4 + 2 * 1 + 4)  # type: ignore[attr-defined]


def test_several_states_go_in_and_come_out() -> None:
    layer = built(Two(1), return_state=True)
    start = np.array([[10.0], [0.0]]), np.array([[5.0], [5.0]])
    (y, h, count), saved = layer.forward(X, *start, lengths=np.array([3, 1]))
    assert (y.tolist(), h.tolist(), count.tolist()) == ([[91], [4]], [[91], [4]], [[8], [6]])
    dx, dh, dcount = layer.backward((np.ones((2, 1)), np.ones((2, 1)), np.full((2, 1), 7.0)), saved)
    assert dx[:, :, 0].tolist() == [[8, 4, 2], [2, 0, 0]]
    assert (dh.tolist(), dcount.tolist()) == ([[16], [4]], [[7], [7]])
    y, h, count = layer(X[:1])
    assert count.tolist() == [[3]]


def test_states_must_be_the_cells() -> None:
    with pytest.raises(ShapeError) as caught:
        built(Two(1), (None, 1))
    assert str(caught.value) == "Recurrent: expected initial states (batch, 1), (batch, 1), got (batch, 1)"
    with pytest.raises(ShapeError) as given:
        built(Fade(2))(np.ones((1, 3, 1)), np.ones((1, 1)))
    assert str(given.value) == "Recurrent: expected an initial state (1, 2), got (1, 1)"

    class Wider(Fade):
        def build(self, x: Any, h: Any) -> Any:
            return (None, self.units + 1)

    with pytest.raises(ShapeError) as wrong:
        built(Wider(2))
    assert str(wrong.value) == "Wider 'cell': expected to give states (batch, 2), got (batch, 3)"


def test_a_cell_must_be_a_layer() -> None:
    with pytest.raises(
        ArgumentError, match=r"^Recurrent: expected a layer at position 0, got .*: write Fade\(\.\.\.\)$"
    ):
        Recurrent(Fade)  # type: ignore[arg-type]


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


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # Keras's, of its RNN.
    assert defaults(Recurrent) == {"return_sequences": False, "return_state": False, "go_backwards": False}


def test_it_is_saved_and_found_again_with_a_registered_cell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("_classes", "_names"):
        monkeypatch.setattr(lamina.Layer.registry, name, dict(getattr(lamina.Layer.registry, name)))
    lamina.register(Fade)
    layer = built(Fade(1), return_sequences=True)
    layer.save(tmp_path / "fade.safetensors")
    again = lamina.load(tmp_path / "fade.safetensors")
    assert type(again) is Recurrent
    np.testing.assert_array_equal(again(X, lengths=[3, 2]), layer(X, lengths=[3, 2]))
