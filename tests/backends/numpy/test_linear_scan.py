"""The linear recurrence against a plain loop, step by step and in blocks of time, real and complex."""

from typing import Any

import numpy as np
import pytest

from lamina.backends.numpy import linear_scan as module
from lamina.backends.numpy.linear_scan import linear_scan, linear_scan_back
from lamina.backends.numpy.reading_order import reading_order

UNITS = 2


def numbers(rng: np.random.Generator, *shape: int, dtype: str) -> Any:
    found = rng.standard_normal(shape) + (1j * rng.standard_normal(shape) if dtype == "complex128" else 0)
    return found.astype(dtype)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("one_for_all", [False, True])
@pytest.mark.parametrize("lengths", [None, (70, 0, 150, 149)])
@pytest.mark.parametrize("few", [0, 512])
def test_a_plain_loop_gives_the_same(monkeypatch: Any, dtype: str, one_for_all: bool, lengths: Any, few: int) -> None:
    monkeypatch.setattr(module, "_FEW", few)
    rng, batch, time = np.random.default_rng(0), 4, 150
    order = reading_order(batch, time, None if lengths is None else np.array(lengths), False)
    keep = numbers(rng, *((UNITS,) if one_for_all else (batch, time, UNITS)), dtype=dtype)
    keep /= np.maximum(abs(keep), 1)
    first, entering = numbers(rng, batch, UNITS, dtype=dtype), numbers(rng, batch, time, UNITS, dtype=dtype)
    d_last, d_outside = numbers(rng, batch, UNITS, dtype=dtype), numbers(rng, batch, time, UNITS, dtype=dtype)
    every = np.broadcast_to(keep, (batch, time, UNITS))

    states, gradients, d_first = np.zeros_like(entering), np.zeros_like(entering), d_last.copy()
    for row, length in enumerate(lengths or (time,) * batch):
        state = first[row]
        for t in range(length):
            state = states[row, t] = every[row, t] * state + entering[row, t]
        for t in reversed(range(length)):
            gradients[row, t] = d_first[row] + d_outside[row, t]
            d_first[row] = every[row, t] * gradients[row, t]

    slab = np.concatenate([order.to_first(first), order.gather(entering)])
    kept = keep if one_for_all else order.gather(keep)
    linear_scan(order, kept, slab)
    np.testing.assert_allclose(order.scatter(slab[batch:]), states, rtol=1e-12, atol=1e-13)
    gradient, carried = order.gather(d_outside), order.to_first(d_last).copy()
    linear_scan_back(order, kept, gradient, carried)
    np.testing.assert_allclose(order.scatter(gradient), gradients, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(order.from_first(carried), d_first, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("share", [0.0, 1e-30, 1.0])
def test_blocks_of_time_neither_overflow_nor_divide(share: float) -> None:
    # The product of 1e-30 over a block is far below what float32 has.
    slab = np.ones((101, 1), "float32")
    with np.errstate(all="raise", under="ignore"):
        linear_scan(reading_order(1, 100, None, False), np.full((100, 1), share, "float32"), slab)
    np.testing.assert_allclose(slab[1:, 0], np.arange(2, 102) if share == 1 else 1, rtol=1e-6)
