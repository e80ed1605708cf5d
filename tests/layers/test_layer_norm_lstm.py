"""LayerNormLSTM as a layer; its kernel is proven in backends/generic/test_layer_norm_lstm."""

from typing import Any

import numpy as np
import pytest

from lamina.errors import ArgumentError
from lamina.layers import LayerNormLSTM

X = np.random.default_rng(0).standard_normal((3, 4, 2))
X.flags.writeable = False
LENGTHS = [2, 0, 4]


def test_parameters_and_their_first_values() -> None:
    layer = LayerNormLSTM(3)
    layer.build((None, None, 2), dtype="float64", seed=0)
    assert {name: parameter.shape for name, parameter in layer.named_parameters().items()} == {
        "w_x": (2, 12), "w_h": (3, 12), "b": (12,),
        "scale_x": (12,), "scale_h": (12,), "scale_c": (3,), "shift_c": (3,),
    }  # fmt: skip
    assert layer.b.data.tolist() == [0] * 3 + [1] * 3 + [0] * 6  # the forget gate is open
    assert {one.data.sum() / one.size for one in (layer.scale_x, layer.scale_h, layer.scale_c)} == {1}
    assert not layer.shift_c.data.any()
    assert repr(LayerNormLSTM(3, epsilon=0.1)) == "LayerNormLSTM(3, epsilon=0.1)"


def test_states_are_carried_over_a_cut() -> None:
    layer = LayerNormLSTM(3, return_sequences=True, return_state=True)
    assert layer.build((None, None, 2), dtype="float64", seed=0) == ((None, None, 3), (None, 3), (None, 3))
    y, h, c = layer(X)
    first, *states = layer(X[:, :3])
    second, *last = layer(X[:, 3:], h=states[0], c=states[1])
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), y, rtol=1e-12)
    np.testing.assert_allclose(last, [h, c], rtol=1e-12)


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
@pytest.mark.parametrize("settings", [{"epsilon": 0.1}, {"use_bias": False, "go_backwards": True}], ids=str)
@pytest.mark.parametrize("name", ["numpy", "reference"])
def test_each_parameters_gradient_is_its_slope(prove_gradients: Any, name: str, settings: Any, lengths: Any) -> None:
    layer = LayerNormLSTM(3, return_sequences=True, **settings)
    layer.build((None, None, 2), backend=name, dtype="float64", seed=0)
    prove_gradients(layer, X, *[np.random.default_rng(1).standard_normal((3, 3))] * 2, lengths=lengths)


def test_arguments() -> None:
    with pytest.raises(ArgumentError) as caught:
        LayerNormLSTM(3, epsilon=0)
    assert str(caught.value) == "LayerNormLSTM: expected epsilon to be a number above 0, got 0"


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # Those of LSTM and LayerNorm.
    assert defaults(LayerNormLSTM) == {
        "return_sequences": False,
        "return_state": False,
        "go_backwards": False,
        "use_bias": True,
        "recurrent_dropout": 0.0,
        "epsilon": 1e-5,
        "w_x_initializer": "glorot_uniform",
        "w_h_initializer": "orthogonal",
        "b_initializer": "Side([Zeros(), Ones(), Zeros(), Zeros()])",
    }
