"""Pooling equals torch's, each row cut to its length."""

import numpy as np
import pytest

from lamina.layers import AveragePool1D, GlobalAveragePool1D, GlobalMaxPool1D, MaxPool1D

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")
pytestmark = pytest.mark.parity

BATCH, TIME, FEATURES = 6, 11, 4
LENGTHS = np.array([4, 1, 11, 0, 2, 7])
BOTH = [
    pytest.mark.parametrize("backend", ["numpy", "reference"]),
    pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"]),
]


def numbers(*shape, seed=0):
    return np.random.default_rng((seed, *shape)).standard_normal(shape)


def both(test):
    for option in BOTH:
        test = option(test)
    return test


def check(equal, layer, backend, lengths, run):
    """Compare with ``run``, torch's pooling of one row (features, time) that is not empty."""
    layer.build((None, None, FEATURES), backend=backend, dtype="float64")
    x = numbers(BATCH, TIME, FEATURES)
    if lengths is not None:
        x[np.arange(TIME) >= lengths[:, None]] = np.nan
    y, saved = layer.forward(x, lengths=lengths)
    dy = numbers(*y.shape, seed=1)
    dx = layer.backward(dy, saved)
    part = f"{type(layer).__name__}{'' if lengths is None else ', lengths'}"
    for row, length in enumerate(np.full(BATCH, TIME) if lengths is None else lengths):
        x_t = torch.tensor(x[row, :length].T.copy(), requires_grad=True)
        y_t = run(x_t) if length else None
        if y_t is None or not y_t.numel():
            assert not y[row].any()
            assert not dx[row].any()
            continue
        y_t = y_t.T if y_t.ndim == 2 else y_t
        count = len(y_t)
        own, own_dy = (y[row], dy[row]) if y.ndim == 2 else (y[row, :count], dy[row, :count])
        equal(part, own, y_t)
        y_t.backward(torch.tensor(own_dy))
        equal(part, dx[row, :length], x_t.grad.T)
        assert not dx[row, length:].any()
        assert y.ndim == 2 or not y[row, count:].any()


@both
@pytest.mark.parametrize(("pool", "stride"), [(2, None), (3, 1), (2, 3), (3, 2), (4, 2), (1, 1)])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("kind", [MaxPool1D, AveragePool1D])
def test_windows(equal, backend, lengths, pool, stride, padding, kind):
    layer = kind(pool, stride, padding)
    functional = torch.nn.functional

    def run(x):
        before = 0 if padding == "valid" else (pool - 1) // 2
        after = 0 if padding == "valid" else pool - 1 - before
        if before + x.shape[1] + after < pool:
            return x[:, :0]
        if kind is MaxPool1D:
            return functional.max_pool1d(functional.pad(x, (before, after), value=-np.inf)[None], pool, layer.stride)[0]
        total = functional.avg_pool1d(functional.pad(x, (before, after))[None], pool, layer.stride)[0]
        # The average of the steps that are there: torch's counts the zeros too.
        there = functional.pad(torch.ones_like(x), (before, after))
        return total / functional.avg_pool1d(there[None], pool, layer.stride)[0]

    check(equal, layer, backend, lengths, run)


@both
@pytest.mark.parametrize("kind", [MaxPool1D, AveragePool1D])
def test_same_is_torchs_padding_of_an_odd_window(equal, backend, lengths, kind):
    peer = (
        torch.nn.MaxPool1d(5, 2, padding=2)
        if kind is MaxPool1D
        else torch.nn.AvgPool1d(5, 2, padding=2, count_include_pad=False)
    )
    check(equal, kind(5, 2, "same"), backend, lengths, lambda x: peer(x[None])[0])


@both
def test_global_max(equal, backend, lengths):
    check(equal, GlobalMaxPool1D(), backend, lengths, lambda x: torch.nn.functional.adaptive_max_pool1d(x, 1)[:, 0])


@both
def test_global_average(equal, backend, lengths):
    check(equal, GlobalAveragePool1D(), backend, lengths, lambda x: torch.mean(x, 1))
