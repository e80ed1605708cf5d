"""NumPy's convolution against the generic one, with batches of more than one block."""

from typing import Any

import numpy as np
import pytest

from lamina.backends import get_backend
from lamina.backends.generic.windows import Windows
from lamina.backends.numpy import convolution as numpy_convolution


@pytest.mark.parametrize("block", [1, 100, 10**6])
@pytest.mark.parametrize("lengths", [None, np.array([9, 0, 4, 7, 1])], ids=["full", "ragged"])
def test_blocks_of_any_size_give_the_same(monkeypatch: Any, block: int, lengths: Any) -> None:
    monkeypatch.setattr(numpy_convolution, "_BLOCK", block)
    rng = np.random.default_rng(0)
    x, w, b, dy = (rng.standard_normal(shape) for shape in ((5, 9, 3), (3, 3, 4), (4,), (5, 5, 4)))
    windows = Windows(3, 5, stride=2, before=1)
    outputs = None if lengths is None else -(-lengths // 2)
    results = []
    for name in ("numpy", "reference"):
        backend = get_backend(name)
        assert backend.select("conv1d").source == ("numpy" if name == "numpy" else "generic")
        y, saved = backend.conv1d_forward(x, w, b, lengths, outputs, windows)
        results.append((y, *backend.conv1d_backward(dy, saved, w)))
    for own, generic in zip(*results, strict=True):
        np.testing.assert_allclose(own, generic, rtol=1e-12, atol=1e-13)


def test_the_windows_are_not_saved() -> None:
    x, w = np.ones((4, 50, 8), "f"), np.ones((9, 8, 8), "f")
    _, saved = get_backend("numpy").conv1d_forward(x, w, None, None, None, Windows(9, 50, before=4))
    held = sum(part.nbytes for part in saved if isinstance(part, np.ndarray))
    assert held < 2 * x.nbytes
