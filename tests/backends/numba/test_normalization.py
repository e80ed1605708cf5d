"""Layer and root-mean-square normalization as compiled passes, beside the generic kernels."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import lamina
from tests.backends.numba.against import DTYPES, as_laid, on_threads, reference, require_close


def draw(rng, dtype, size=1.0):
    """Return x, scale, shift and dy."""
    shape = (*rng.integers(1, 9, rng.integers(0, 4)), rng.integers(2, 200))
    x, dy = (as_laid(rng, rng.normal(size=shape).astype(dtype) * np.dtype(dtype).type(size)) for _ in range(2))
    scale, shift = (rng.normal(size=shape[-1]).astype(dtype) if rng.random() < 0.6 else None for _ in range(2))
    return x, scale, shift, dy


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_they_are_the_generic_kernels(dtype, threads, monkeypatch):
    rng, backend = np.random.default_rng(threads), lamina.get_backend("numba")
    on_threads(monkeypatch, backend, threads)
    for _ in range(100):
        x, scale, shift, dy = draw(rng, dtype)
        layer_norm, rms_norm = [], []
        for one in (backend, reference()):
            y, saved = one.layer_norm_forward(x, scale, shift, epsilon=1e-5)
            layer_norm.append((y, *one.layer_norm_backward(dy, saved, scale)))
            y, saved = one.rms_norm_forward(x, scale, epsilon=1e-5)
            rms_norm.append((y, *one.rms_norm_backward(dy, saved, scale)))
        require_close(*layer_norm, dtype)
        require_close(*rms_norm, dtype)


@pytest.mark.parametrize(
    ("dtype", "size", "epsilon"), [("float32", 1e19, 1e-5), ("float32", 1e-25, 1e-30), ("float64", 1e160, 1e-5)]
)
def test_numbers_whose_squares_have_no_room_are_normalized_all_the_same(dtype, size, epsilon):
    rng, backend = np.random.default_rng(0), lamina.get_backend("numba")
    x, scale, shift, dy = draw(rng, dtype, size)
    results = []
    for one in (backend, reference()):
        y, saved = one.layer_norm_forward(x, scale, shift, epsilon=epsilon)
        results.append((y, *one.layer_norm_backward(dy, saved, scale)))
    assert np.isfinite(results[0][0]).all()
    require_close(*results, dtype)


def test_nan_stays_in_its_row():
    x = np.ones((4, 3), np.float32)
    x[2, 1] = np.nan
    y, _ = lamina.get_backend("numba").layer_norm_forward(x, None, None, epsilon=1e-5)
    assert np.isnan(y).any(axis=-1).tolist() == [False, False, True, False]


def test_time_first_stays_time_first():
    x = np.ones((5, 2, 3), np.float32).swapaxes(0, 1)
    backend = lamina.get_backend("numba")
    y, saved = backend.layer_norm_forward(x, None, None, epsilon=1e-5)
    dx, _, _ = backend.layer_norm_backward(np.ones((2, 5, 3), np.float32), saved, None)
    assert y.swapaxes(0, 1).flags.c_contiguous
    assert dx.swapaxes(0, 1).flags.c_contiguous


def test_no_rows_are_no_rows():
    y, saved = lamina.get_backend("numba").layer_norm_forward(np.zeros((0, 3)), None, None, epsilon=1e-5)
    assert y.shape == (0, 3)
    assert lamina.get_backend("numba").layer_norm_backward(np.zeros((0, 3)), saved, None)[0].shape == (0, 3)
