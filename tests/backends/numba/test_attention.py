"""Attention as compiled passes, beside the generic kernel."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import lamina
from tests.backends.numba.against import DTYPES, as_laid, on_threads, reference, require_close


def draw(rng, dtype):
    """Return q, k, v, dy, lengths and options."""
    batch, time = int(rng.integers(1, 5)), int(rng.integers(1, rng.choice([8, 40, 120])))
    heads, width = int(rng.integers(1, 5)), int(rng.integers(1, rng.choice([3, 9, 40, 70])))
    q, k, v, dy = (rng.normal(size=(batch, time, heads * width)).astype(dtype) for _ in range(4))
    lengths = rng.integers(0, time + 1, batch) if rng.random() < 0.5 else None
    for row, length in enumerate(() if lengths is None else lengths):
        for one, filled in ((q, 1e3), (k, 1e3), (v, 1e3), (dy, np.nan)):
            one[row, length:] = filled
    return [as_laid(rng, one) for one in (q, k, v, dy)], lengths, {"heads": heads, "causal": bool(rng.random() < 0.5)}


def gradients(backend, q, k, v, dy, lengths, options):
    """Return y, dq, dk and dv."""
    y, saved = backend.attention_forward(q, k, v, lengths, **options)
    return (y, *backend.attention_backward(dy, saved))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_it_is_the_generic_kernel(dtype, threads, monkeypatch):
    rng, backend = np.random.default_rng(threads), lamina.get_backend("numba")
    on_threads(monkeypatch, backend, threads)
    for _ in range(60):
        arrays, lengths, options = draw(rng, dtype)
        require_close(*(gradients(one, *arrays, lengths, options) for one in (backend, reference())), dtype)


def test_large_scores_do_not_overflow():
    rng = np.random.default_rng(0)
    arrays = [(100 * rng.normal(size=(2, 50, 8))).astype(np.float32) for _ in range(4)]
    found, expected = (
        gradients(lamina.get_backend(name), *arrays, None, {"heads": 2, "causal": False})
        for name in ("numba", "reference")
    )
    assert np.isfinite(found[0]).all()
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_seen_in_its_row(value):
    rng = np.random.default_rng(0)
    q, k, v = (rng.normal(size=(2, 9, 4)).astype(np.float32) for _ in range(3))
    k[1, 3, 2] = value
    y, _ = lamina.get_backend("numba").attention_forward(q, k, v, None, heads=2)
    assert np.isfinite(y[0]).all()
    assert np.isfinite(y[1, :, :2]).all()  # the other head
    assert np.isnan(y[1, :, 2:]).any()


def test_what_is_kept_grows_with_the_steps_alone():
    x = np.zeros((1, 600, 8), np.float32)
    _, saved = lamina.get_backend("numba").attention_forward(x, x, x, None, heads=2)
    assert saved.kept.size + saved.y.size < 600 * 20


def test_no_steps_are_no_steps():
    backend, x = lamina.get_backend("numba"), np.zeros((2, 0, 4), np.float32)
    assert [one.shape for one in gradients(backend, x, x, x, x, None, {"heads": 2})] == [(2, 0, 4)] * 4
