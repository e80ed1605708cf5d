"""GLU; its kernel is proven in backends/generic."""

import math
from typing import Any

import numpy as np
import pytest

from lamina.errors import ShapeError, UnknownNameError
from lamina.layers import GLU

# The gate at 2 and its slope there.
S = 1 / (1 + math.exp(-2))
DENSITY, BELOW = math.exp(-2) / math.sqrt(2 * math.pi), 0.977249868051821
GATES = {
    "sigmoid": (S, S * (1 - S)),
    "tanh": (math.tanh(2), 1 - math.tanh(2) ** 2),
    "relu": (2, 1),
    "gelu": (2 * BELOW, BELOW + 2 * DENSITY),
    "silu": (2 * S, S + 2 * S * (1 - S)),
    "linear": (2, 1),
}


@pytest.mark.parametrize("activation", GATES)
def test_values_and_slopes_by_hand(activation: str) -> None:
    layer = GLU(activation)
    assert layer.build((None, None, 2), dtype="float64") == (None, None, 1)
    gate, slope = GATES[activation]
    y, saved = layer.forward(np.array([[[3.0, 2.0]]]))
    np.testing.assert_allclose(y, [[[3 * gate]]], rtol=1e-13)
    np.testing.assert_allclose(layer.backward(np.array([[[5.0]]]), saved), [[[5 * gate, 15 * slope]]], rtol=1e-13)


def test_the_second_half_is_the_gate() -> None:
    layer = GLU("relu")
    layer.build((None, 4), dtype="float64")
    assert layer([[1.0, 2.0, 10.0, -1.0]]).tolist() == [[10, 0]]


def test_what_cannot_be_halved_or_is_unknown_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"^GLU: expected an even number of features, to halve them, got 3$"):
        GLU().build((None, 3))
    with pytest.raises(ShapeError, match=r"^GLU: expected a fixed size of axis 1, got"):
        GLU().build((None, None))
    with pytest.raises(UnknownNameError, match=r"^unknown activation of GLU 'silo': did you mean 'silu'\?"):
        GLU("silo")


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # PyTorch's, and the paper's.
    assert defaults(GLU) == {"activation": "sigmoid"}
