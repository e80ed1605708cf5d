"""LayerNormGRU as a layer; its kernel is proven in backends/generic/test_layer_norm_gru."""

from typing import Any

import numpy as np
import pytest

from lamina.errors import ArgumentError
from lamina.layers import LayerNormGRU

X = np.random.default_rng(0).standard_normal((3, 4, 2))
X.flags.writeable = False
LENGTHS = [2, 0, 4]


def test_parameters_and_their_first_values() -> None:
    layer = LayerNormGRU(3)
    layer.build((None, None, 2), dtype="float64", seed=0)
    assert {name: parameter.shape for name, parameter in layer.named_parameters().items()} == {
        "w_x": (2, 9), "w_h": (3, 9), "b": (9,), "b_h": (3,), "scale_x": (9,), "scale_h": (9,),
    }  # fmt: skip
    assert {one.data.sum() / one.size for one in (layer.scale_x, layer.scale_h)} == {1}
    assert not layer.b.data.any() and not layer.b_h.data.any()
    assert repr(LayerNormGRU(3, epsilon=0.1)) == "LayerNormGRU(3, epsilon=0.1)"


def test_states_are_carried_over_a_cut() -> None:
    layer = LayerNormGRU(3, return_sequences=True, return_state=True)
    assert layer.build((None, None, 2), dtype="float64", seed=0) == ((None, None, 3), (None, 3))
    y, h = layer(X)
    first, state = layer(X[:, :3])
    second, last = layer(X[:, 3:], state=state)
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), y, rtol=1e-12)
    np.testing.assert_allclose(last, h, rtol=1e-12)


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
@pytest.mark.parametrize("settings", [{"epsilon": 0.1}, {"use_bias": False, "go_backwards": True}], ids=str)
@pytest.mark.parametrize("name", ["numpy", "reference"])
def test_each_parameters_gradient_is_its_slope(prove_gradients: Any, name: str, settings: Any, lengths: Any) -> None:
    layer = LayerNormGRU(3, return_sequences=True, **settings)
    layer.build((None, None, 2), backend=name, dtype="float64", seed=0)
    prove_gradients(layer, X, np.random.default_rng(1).standard_normal((3, 3)), lengths=lengths)


def test_arguments() -> None:
    with pytest.raises(ArgumentError) as caught:
        LayerNormGRU(3, epsilon=0)
    assert str(caught.value) == "LayerNormGRU: expected epsilon to be a number above 0, got 0"


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # Those of GRU and LayerNorm.
    assert defaults(LayerNormGRU) == {
        "return_sequences": False,
        "return_state": False,
        "go_backwards": False,
        "use_bias": True,
        "recurrent_dropout": 0.0,
        "epsilon": 1e-5,
        "w_x_initializer": "glorot_uniform",
        "w_h_initializer": "orthogonal",
        "b_initializer": "zeros",
    }
