"""The layer-normalized LSTM's kernel against the equations, row by row; gradients by complex steps."""

from typing import Any

import numpy as np
import pytest

from tests.backends.generic.by_equations import normalized, prove, sigmoid

UNITS = 3
SHAPES = {
    "x": (3, 3, 2), "w_x": (2, 4 * UNITS), "w_h": (UNITS, 4 * UNITS), "b": (4 * UNITS,), "scale_x": (4 * UNITS,),
    "scale_h": (4 * UNITS,), "scale_c": (UNITS,), "shift_c": (UNITS,), "h": (3, UNITS), "c": (3, UNITS),
}  # fmt: skip


def step(
    x: Any, h: Any, c: Any, w_x: Any, w_h: Any, b: Any, scale_x: Any, scale_h: Any, scale_c: Any, shift_c: Any,
    state_mask: Any = 1,
) -> tuple[Any, Any]:  # fmt: skip
    a = normalized(x @ w_x, scale_x, 0.1) + normalized((h * state_mask) @ w_h, scale_h, 0.1) + b
    i, f, g, o = (a[gate * UNITS : (gate + 1) * UNITS] for gate in range(4))
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(normalized(c, scale_c, 0.1) + shift_c), c


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", [None, (2, 0, 3)])
@pytest.mark.parametrize("masked", [False, True])
def test_layer_norm_lstm_by_its_equations(backend: str, reverse: bool, lengths: Any, masked: bool) -> None:
    mask = {"state_mask": (3, UNITS)} if masked else {}
    prove("layer_norm_lstm", backend, step, SHAPES | mask, ["h", "c"], lengths, reverse, {"epsilon": 0.1}, tuple(mask))
