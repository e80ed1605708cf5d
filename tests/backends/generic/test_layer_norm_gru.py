"""The layer-normalized GRU's kernel against the equations, row by row; gradients by complex steps."""

from typing import Any

import numpy as np
import pytest

from tests.backends.generic.by_equations import normalized, prove, sigmoid

UNITS = 3
SHAPES = {
    "x": (3, 3, 2), "w_x": (2, 3 * UNITS), "w_h": (UNITS, 3 * UNITS), "b": (3 * UNITS,), "b_h": (UNITS,),
    "scale_x": (3 * UNITS,), "scale_h": (3 * UNITS,), "h": (3, UNITS),
}  # fmt: skip


def step(
    x: Any, h: Any, w_x: Any, w_h: Any, b: Any, b_h: Any, scale_x: Any, scale_h: Any, state_mask: Any = 1
) -> tuple[Any]:
    def parts(a: Any, scale: Any) -> tuple[Any, Any]:
        two = 2 * UNITS
        return normalized(a[:two], scale[:two], 0.1), normalized(a[two:], scale[two:], 0.1)

    of_x, of_h = parts(x @ w_x, scale_x), parts((h * state_mask) @ w_h, scale_h)
    gates = sigmoid(of_x[0] + of_h[0] + b[: 2 * UNITS])
    r, z = gates[:UNITS], gates[UNITS:]
    n = np.tanh(of_x[1] + b[2 * UNITS :] + r * (of_h[1] + b_h))
    return ((1 - z) * n + z * h,)


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", [None, (2, 0, 3)])
@pytest.mark.parametrize("masked", [False, True])
def test_layer_norm_gru_by_its_equations(backend: str, reverse: bool, lengths: Any, masked: bool) -> None:
    mask = {"state_mask": (3, UNITS)} if masked else {}
    prove("layer_norm_gru", backend, step, SHAPES | mask, ["h"], lengths, reverse, {"epsilon": 0.1}, tuple(mask))
