"""What tests of compiled passes share: random arrays as layers hand them over, and the generic kernels beside them."""

import numpy as np

import lamina

#: Of the largest number, or of 1 where all are smaller.
BOUNDS = {"float64": 1e-12, "float32": 2e-5}
DTYPES = list(BOUNDS)


def require_close(found, expected, dtype):
    """Compare what two kernels gave; NaN in the same places."""
    for one, other in zip(found, expected, strict=True):
        assert (one is None) == (other is None)
        if one is None:
            continue
        one, other = np.asarray(one), np.asarray(other)
        assert one.shape == other.shape
        assert one.dtype == other.dtype
        assert np.array_equal(np.isnan(one), np.isnan(other))
        kept = ~np.isnan(other)
        np.testing.assert_allclose(
            one[kept], other[kept], rtol=0, atol=BOUNDS[dtype] * max(np.abs(other[kept]).max(initial=0), 1)
        )


def reference():
    """Return the backend whose kernels are the generic ones."""
    return lamina.get_backend("reference")


def as_laid(rng, array):
    """Return an array read-only, sometimes with its first two axes laid out the other way round."""
    if array.ndim > 2 and rng.random() < 0.4:
        array = np.ascontiguousarray(array.swapaxes(0, 1)).swapaxes(0, 1)
    array.flags.writeable = False
    return array


def ends_of(rng, batch, time, *arrays):
    """Return lengths, or None, and arrays with NaN past them: nobody may read what stands there."""
    if rng.random() < 0.5:
        return None, [as_laid(rng, array) for array in arrays]
    lengths = rng.integers(0, time + 1, batch)
    for array in arrays:
        for row, length in enumerate(lengths):
            array[row, length:] = np.nan
    return lengths, [as_laid(rng, array) for array in arrays]


def on_threads(monkeypatch, backend, threads):
    """Let passes be cut into so many blocks, however little there is to do."""
    monkeypatch.setattr(type(backend), "least_work", 1)
    monkeypatch.setattr("lamina.backends.numba.passes.threads_of_products", lambda: threads)
