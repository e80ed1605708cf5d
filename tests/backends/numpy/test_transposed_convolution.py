"""NumPy's transposed convolution, a few rows at a time, against the generic kernel; by loops in generic."""

from typing import Any

import numpy as np
import pytest

from lamina.backends import get_backend
from lamina.backends.generic.windows import Windows
from lamina.backends.numpy import grouped_convolution as numpy_convolution


@pytest.mark.parametrize("block", [1, 100, 10**6])
@pytest.mark.parametrize("lengths", [None, np.array([5, 0, 3, 1, 4])], ids=["full", "ragged"])
@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("input_gradient", [True, False])
def test_blocks_of_any_size_give_the_same(
    monkeypatch: Any, block: int, lengths: Any, groups: int, input_gradient: bool
) -> None:
    monkeypatch.setattr(numpy_convolution, "_BLOCK", block)
    rng = np.random.default_rng(0)
    shapes = (5, 5, 4), (3, 4, 3), (3 * groups,), (5, 10, 3 * groups)
    x, w, b, dy = (rng.standard_normal(shape) for shape in shapes)
    windows = Windows(3, 5, stride=2, before=1)
    outputs = None if lengths is None else 2 * lengths
    results = []
    for name in ("numpy", "reference"):
        kernel = get_backend(name).select("conv1d_transpose")
        assert kernel.source == ("numpy" if name == "numpy" else "generic")
        y, saved = kernel.forward(x, w, b, lengths, outputs, windows, 10, groups)
        dx, *rest = kernel.backward(dy, saved, w, input_gradient=input_gradient)
        assert (dx is not None) == input_gradient
        results.append([y, *rest, *([dx] if input_gradient else [])])
    for own, generic in zip(*results, strict=True):
        np.testing.assert_allclose(own, generic, rtol=1e-12, atol=1e-13)


def test_the_windows_are_not_saved() -> None:
    x, w = np.ones((4, 50, 8), "f"), np.ones((9, 8, 8), "f")
    _, saved = get_backend("numpy").conv1d_transpose_forward(x, w, None, None, None, Windows(9, 50), 58, 1)
    held = sum(part.nbytes for part in saved if isinstance(part, np.ndarray))
    assert held < 2 * x.nbytes
