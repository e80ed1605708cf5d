"""NumPy's attention against the generic one, with batches of more than one block; by loops in test_attention."""

from typing import Any

import numpy as np
import pytest

from lamina.backends import get_backend
from lamina.backends.numpy import attention as numpy_attention


@pytest.mark.parametrize("block", [1, 300, 10**6])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("lengths", [None, np.array([6, 0, 3, 6, 1])], ids=["full", "ragged"])
def test_blocks_of_any_size_give_the_same(monkeypatch: Any, block: int, causal: bool, lengths: Any) -> None:
    monkeypatch.setattr(numpy_attention, "_BLOCK", block)
    q, k, v, dy = np.random.default_rng(0).standard_normal((4, 5, 6, 8))
    results = []
    for name in ("numpy", "reference"):
        kernel = get_backend(name).select("attention", heads=2, causal=causal)
        assert kernel.source == ("numpy" if name == "numpy" else "generic")
        y, saved = kernel.forward(q, k, v, lengths, heads=2, causal=causal)
        results.append((y, *kernel.backward(dy, saved)))
    for own, generic in zip(*results, strict=True):
        np.testing.assert_allclose(own, generic, rtol=1e-12, atol=1e-14)
