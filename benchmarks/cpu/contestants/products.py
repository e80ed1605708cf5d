"""NumPy's matrix products, whose rate others are a share of."""

from __future__ import annotations

import numpy as np

from benchmarks.cpu.prepared import Prepared
from benchmarks.cpu.work import Products

__all__ = ["products", "start"]


def start(threads: int) -> None:
    """Do nothing: the environment says how many threads there are."""


def products(work: Products) -> Prepared:
    """Return one product, written into an array that is there already."""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((work.size, work.size), np.float32) for _ in range(2))
    out = np.empty_like(a)
    return Prepared(lambda: np.matmul(a, b, out=out), dict)
