"""Convolution as compiled passes, beside the generic kernel."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import lamina
from tests.backends.numba.against import DTYPES, as_laid, ends_of, on_threads, reference, require_close


def draw(rng, dtype):
    """Return what the kernel takes, and the output's gradient."""
    while True:
        batch, time = rng.integers(0 if rng.random() < 0.1 else 1, 6), rng.integers(1, 20)
        features, units, size = rng.integers(1, 40), rng.integers(1, 70), rng.integers(1, 5)
        stride, dilation = (int(one) for one in rng.integers(1, 4, 2))
        padding = ["same", "causal", "valid", 2, (0, 5)][rng.integers(5)]
        layer = lamina.layers.Conv1D(int(units), int(size), stride=stride, dilation=dilation, padding=padding)
        layer.build((None, None, int(features)))
        windows = layer.windows(int(time))
        if windows.number:
            break
    x = rng.normal(size=(batch, time, features)).astype(dtype)
    w = rng.normal(size=(size, features, units)).astype(dtype)
    b = rng.normal(size=units).astype(dtype) if rng.random() < 0.5 else None
    lengths, (x,) = ends_of(rng, batch, time, x)
    stops = layer.output_lengths(lengths)
    dy = rng.normal(size=(batch, windows.number, units)).astype(dtype)
    if stops is not None:
        for row, stop in enumerate(stops):
            dy[row, stop:] = np.nan
    return (x, w, b, lengths, stops, windows), as_laid(rng, dy)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_it_is_the_generic_kernel(dtype, threads, monkeypatch):
    rng, backend = np.random.default_rng(threads), lamina.get_backend("numba")
    on_threads(monkeypatch, backend, threads)
    for _ in range(100):
        given, dy = draw(rng, dtype)
        wanted = bool(rng.random() < 0.8)
        results = []
        for one in (backend, reference()):
            y, saved = one.conv1d_forward(*given)
            results.append((y, *one.conv1d_backward(dy, saved, given[1], input_gradient=wanted)))
        require_close(*results, dtype)


def test_the_same_threads_give_the_same_bits(monkeypatch):
    rng, backend = np.random.default_rng(0), lamina.get_backend("numba")
    on_threads(monkeypatch, backend, 3)
    given, dy = draw(rng, "float32")
    results = []
    for _ in range(5):
        y, saved = backend.conv1d_forward(*given)
        results.append((y, *backend.conv1d_backward(dy, saved, given[1])))
    for again in results[1:]:
        for one, other in zip(results[0], again, strict=True):
            np.testing.assert_array_equal(one, other)


def test_nan_inside_a_row_reaches_the_windows_that_read_it():
    layer = lamina.layers.Conv1D(3, 3)
    layer.build((None, None, 2), backend="numba", seed=0)
    x = np.ones((1, 6, 2), np.float32)
    x[0, 1, 0] = np.nan
    assert np.isnan(layer(x)).any(axis=-1).tolist() == [[True, True, True, False, False, False]]


def test_its_kernel_is_named():
    assert lamina.get_backend("numba").select("conv1d").source == "numba"
