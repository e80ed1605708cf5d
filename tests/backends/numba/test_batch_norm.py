"""Batch normalization as compiled passes, beside the generic kernel."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import lamina
from tests.backends.numba.against import DTYPES, as_laid, on_threads, reference, require_close


def both(x, scale, shift, lengths, dy, epsilon=1e-5):
    """Return what the compiled and the generic kernel give, and over how many steps."""
    results, counts = [], []
    for one in (lamina.get_backend("numba"), reference()):
        with np.errstate(all="ignore"):
            y, (mean, variance, count), saved = one.batch_norm_forward(x, scale, shift, lengths, epsilon=epsilon)
            results.append((y, mean, variance, *one.batch_norm_backward(dy, saved, scale)))
        counts.append(count)
    assert counts[0] == counts[1]
    return results


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_it_is_the_generic_kernel(dtype, threads, monkeypatch):
    rng = np.random.default_rng(threads)
    on_threads(monkeypatch, lamina.get_backend("numba"), threads)
    for _ in range(100):
        shape = (*rng.integers(4, 12, rng.integers(1, 4)), rng.integers(1, 80))
        x, dy = rng.normal(size=shape).astype(dtype), rng.normal(size=shape).astype(dtype)
        lengths = rng.integers(0, shape[1] + 1, shape[0]) if len(shape) > 2 and rng.random() < 0.6 else None
        if lengths is not None:
            lengths[0] = shape[1]
            for row, length in enumerate(lengths):
                x[row, length:] = dy[row, length:] = np.nan
        scale, shift = (rng.normal(size=shape[-1]).astype(dtype) if rng.random() < 0.6 else None for _ in range(2))
        require_close(*both(as_laid(rng, x), scale, shift, lengths, as_laid(rng, dy)), dtype)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e19, -3e38])
def test_numbers_out_of_range_are_the_generic_kernels(value):
    x = np.random.default_rng(0).normal(size=(3, 4, 2)).astype(np.float32)
    x[1, 2, 0] = value
    found, expected = both(x, None, None, None, np.ones_like(x))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_rows_without_a_step_have_no_statistics():
    x = np.full((2, 3, 4), np.nan, np.float32)
    found, expected = both(x, None, None, np.zeros(2, np.int64), x)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_many_rows_far_from_zero_keep_their_digits():
    rng = np.random.default_rng(0)
    x = (100 + rng.normal(size=(100_000, 2))).astype(np.float32)
    _, (mean, variance, _), _ = lamina.get_backend("numba").batch_norm_forward(x, None, None, None, epsilon=1e-5)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(mean, exact.mean(0), rtol=1e-6)
    np.testing.assert_allclose(variance, exact.var(0), rtol=1e-5)
