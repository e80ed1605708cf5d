"""Pooling with padding by number, dilation and cut windows equals torch's, each row cut to its length."""

import numpy as np
import pytest

from lamina.layers import AveragePool1D, MaxPool1D

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")
pytestmark = pytest.mark.parity

BATCH, TIME, FEATURES = 6, 11, 3
LENGTHS = np.array([4, 1, 11, 0, 2, 7])


def both(test):
    test = pytest.mark.parametrize("backend", ["numpy", "reference"])(test)
    return pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])(test)


def check(equal, layer, backend, lengths, peer):
    """Compare with ``peer``, torch's module; where it gives -infinity, as no step is in a window, ours gives 0."""
    layer.build((None, None, FEATURES), backend=backend, dtype="float64")
    x = np.random.default_rng(0).standard_normal((BATCH, TIME, FEATURES))
    if lengths is not None:
        x[np.arange(TIME) >= lengths[:, None]] = np.nan
    y, saved = layer.forward(x, lengths=lengths)
    dy = np.random.default_rng(1).standard_normal(y.shape)
    dx = layer.backward(dy, saved)
    part = f"{type(layer).__name__}{'' if lengths is None else ', lengths'}, settings"
    outputs = np.full(BATCH, y.shape[1]) if lengths is None else layer.output_lengths(lengths)
    compared = 0
    for row, length in enumerate(np.full(BATCH, TIME) if lengths is None else lengths):
        x_t = torch.tensor(x[row, :length].T.copy(), requires_grad=True)
        try:
            y_t = peer(x_t[None])[0].T
        except RuntimeError:  # a row without a step, or too short for a window
            assert outputs[row] == 0
            assert not dx[row].any()
        else:
            assert outputs[row] == len(y_t)
            y_t = torch.where(torch.isinf(y_t), 0.0, y_t)
            equal(part, y[row, : len(y_t)], y_t)
            y_t.backward(torch.tensor(dy[row, : len(y_t)]))
            equal(part, dx[row, :length], x_t.grad.T)
            assert not dx[row, length:].any()
            compared += 1
        assert not y[row, outputs[row] :].any()
    assert compared >= 2


@both
@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize(
    ("pool", "stride", "padding", "dilation"),
    [
        (3, 2, 1, 1),
        (2, 2, 0, 1),
        (2, 3, 1, 1),
        (4, 3, 2, 1),
        (3, 1, 1, 2),
        (3, 2, 0, 3),
        (2, 1, 1, 3),
        (2, 5, 0, 1),
        (1, 2, 0, 1),
    ],
)
def test_maxima(equal, backend, lengths, pool, stride, padding, dilation, ceil):
    peer = torch.nn.MaxPool1d(pool, stride, padding, dilation, ceil_mode=ceil)
    check(equal, MaxPool1D(pool, stride, padding, dilation=dilation, ceil=ceil), backend, lengths, peer)


@both
@pytest.mark.parametrize("counted", [False, True], ids=["valid", "counted"])
@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize(
    ("pool", "stride", "padding"), [(3, 2, 1), (2, 2, 0), (2, 3, 1), (4, 3, 2), (2, 5, 0), (5, 1, 2)]
)
def test_averages(equal, backend, lengths, pool, stride, padding, ceil, counted):
    peer = torch.nn.AvgPool1d(pool, stride, padding, ceil_mode=ceil, count_include_pad=counted)
    layer = AveragePool1D(pool, stride, padding, ceil=ceil, count_padding=counted)
    check(equal, layer, backend, lengths, peer)


@both
@pytest.mark.parametrize("padding", ["valid", "same", (1, 0), (0, 2)])
@pytest.mark.parametrize("counted", [False, True], ids=["valid", "counted"])
@pytest.mark.parametrize(("dilation", "stride"), [(2, 1), (1, 2), (3, 2)])
def test_averages_with_a_dilation_by_a_convolution(equal, backend, lengths, padding, counted, dilation, stride):
    """Torch's own average has no dilation, nor two numbers of padding."""
    pool = 3
    reach = (pool - 1) * dilation + 1
    before, after = {"valid": (0, 0), "same": ((reach - 1) // 2, reach // 2)}.get(padding, padding)
    ones = torch.ones(1, 1, pool, dtype=torch.float64)

    def windows(x):
        if not x.shape[-1]:
            raise RuntimeError("no step")
        padded = torch.nn.functional.pad(x, (before, after)).transpose(0, 1)
        return torch.nn.functional.conv1d(padded, ones, stride=stride, dilation=dilation).transpose(0, 1)

    def peer(x):
        steps = float(pool) if counted else windows(torch.ones_like(x)).clamp(min=1)
        return windows(x) / steps

    layer = AveragePool1D(pool, stride, padding, dilation=dilation, count_padding=counted)
    check(equal, layer, backend, lengths, peer)
