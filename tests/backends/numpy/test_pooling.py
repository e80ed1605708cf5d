"""NumPy's maxima against the generic ones; by loops in test_pooling."""

import numpy as np
import pytest

from lamina.backends import get_backend
from lamina.backends.generic.windows import Windows


@pytest.mark.parametrize("size", [1, 2, 300])  # 300: more than a byte counts
@pytest.mark.parametrize("lengths", [None, np.array([400, 0, 123])], ids=["full", "ragged"])
def test_the_same_bits_as_the_generic_kernel(size: int, lengths: np.ndarray | None) -> None:
    x = np.random.default_rng(size).integers(0, 50, (3, 400, 2)).astype("f")  # many equal ones
    windows = Windows(size, 40, stride=10, before=(size - 1) // 2)
    outputs = None if lengths is None else -(-lengths // 10)
    dy = np.random.default_rng(0).standard_normal((3, 40, 2)).astype("f")
    results = []
    for name in ("numpy", "reference"):
        kernel = get_backend(name).select("max_pool")
        assert kernel.source == ("numpy" if name == "numpy" else "generic")
        y, saved = kernel.forward(x, lengths, outputs, windows)
        results.append((y, kernel.backward(dy, saved)))
    for own, generic in zip(*results, strict=True):
        np.testing.assert_array_equal(own, generic)
