"""Batch normalization over several ranks' rows: what it is over all of them at once."""

import threading

import numpy as np
import pytest

import lamina
from lamina.testing.ranks import run_ranks
from lamina.train.ranks import Ranks

rng = np.random.default_rng(0)
EPSILON = 1e-5


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("affine", [False, True])
def test_parts_come_to_what_the_whole_does(affine, ragged, backend, dtype):
    there = lamina.get_backend(backend)
    x, dy = (3 + 2 * rng.normal(size=(9, 4, 5)).astype(dtype) for _ in range(2))
    lengths = np.array([4, 0, 1, 2, 4, 3, 0, 1, 4]) if ragged else None
    scale, shift = (there.asarray(rng.normal(size=5).astype(dtype)) if affine else None for _ in range(2))
    opened = threading.Lock()  # one backend for all ranks, which are threads

    def run(communicator):
        # The last rank has no rows.
        rows = slice(*[(0, 2), (2, 9), (9, 9)][communicator.rank])
        own = None if lengths is None else lengths[rows]
        total = Ranks(communicator).summed
        with opened:
            given, gradient = there.asarray(x[rows]), there.asarray(dy[rows])
        y, (mean, variance, count), saved = there.batch_norm_over_ranks(
            given, scale, shift, own, total, epsilon=EPSILON
        )
        dx, dscale, dshift = there.batch_norm_over_ranks_gradient(gradient, saved, scale)
        return [there.to_numpy(one) for one in (y, dx, mean, variance, dscale, dshift)], count

    y, (mean, variance, count), saved = there.batch_norm_forward(
        there.asarray(x), scale, shift, lengths, epsilon=EPSILON
    )
    dx, dscale, dshift = there.batch_norm_backward(there.asarray(dy), saved, scale)
    found = run_ranks(3, run)
    close = {"rtol": 1e-10, "atol": 1e-12} if dtype == "float64" else {"rtol": 2e-5, "atol": 2e-6}
    joined = [np.concatenate(parts) for parts in zip(*(one[:2] for one, _ in found), strict=True)]
    summed = [sum(parts) for parts in zip(*(one[4:] for one, _ in found), strict=True)]
    pairs = [*zip(joined, (y, dx), strict=True), *zip(summed, (dscale, dshift), strict=True)]
    for arrays, own in found:
        assert own == count
        pairs += zip(arrays[2:4], (mean, variance), strict=True)
    for got, expected in pairs:
        assert str(got.dtype) == dtype
        np.testing.assert_allclose(got, there.to_numpy(expected), **close)
