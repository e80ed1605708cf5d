"""Conv1D equals torch's convolution, each row cut to its length."""

import numpy as np
import pytest

from lamina.layers import Conv1D

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")
pytestmark = pytest.mark.parity

BATCH, TIME, FEATURES, UNITS = 6, 11, 4, 5
LENGTHS = np.array([4, 1, 11, 0, 2, 7])


def numbers(*shape, seed=0):
    return np.random.default_rng((seed, *shape)).standard_normal(shape)


def tensor(array, grad=True):
    return torch.tensor(np.ascontiguousarray(array), dtype=torch.float64, requires_grad=grad)


def run_torch(x, w, b, layer):
    """Return torch's output for one row (time, features), padded by hand with as many zeros as the padding says."""
    reach = (layer.kernel_size - 1) * layer.dilation + 1
    before = {"valid": 0, "same": (reach - 1) // 2, "causal": reach - 1}[layer.padding]
    after = reach - 1 - before if layer.padding == "same" else 0
    if not len(x) or before + len(x) + after < reach:
        return torch.zeros(0, w.shape[-1], dtype=torch.float64)
    padded = torch.nn.functional.pad(x.T[None], (before, after))
    y = torch.nn.functional.conv1d(padded, w.permute(2, 1, 0), b, stride=layer.stride, dilation=layer.dilation)
    return y[0].T


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
@pytest.mark.parametrize("padding", ["same", "valid", "causal"])
@pytest.mark.parametrize(
    ("size", "stride", "dilation"), [(3, 1, 1), (4, 1, 1), (3, 2, 1), (2, 3, 1), (3, 1, 2), (4, 2, 3), (1, 1, 1)]
)
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no-bias"])
def test_conv1d(equal, backend, lengths, padding, size, stride, dilation, bias):
    layer = Conv1D(UNITS, size, stride=stride, padding=padding, dilation=dilation, use_bias=bias)
    layer.build((None, None, FEATURES), backend=backend, dtype="float64", seed=0)
    if bias:
        layer.b.data = numbers(UNITS)
    x = numbers(BATCH, TIME, FEATURES)
    if lengths is not None:
        x[np.arange(TIME) >= lengths[:, None]] = np.nan
    y, saved = layer.forward(x, lengths=lengths)
    dy = numbers(*y.shape, seed=1)
    dx = layer.backward(dy, saved)

    w_t, b_t = tensor(layer.w.numpy()), tensor(layer.b.numpy()) if bias else None
    full = np.full(BATCH, TIME) if lengths is None else lengths
    outputs = full if lengths is None else layer.output_lengths(lengths)
    part = f"Conv1D {padding}{'' if lengths is None else ', lengths'}"
    for row, length in enumerate(full):
        x_t = tensor(x[row, :length])
        y_t = run_torch(x_t, w_t, b_t, layer)
        count = y.shape[1] if lengths is None else outputs[row]
        equal(part, y[row, :count], y_t)
        assert not y[row, count:].any()
        if count:
            y_t.backward(tensor(dy[row, :count], False))
            equal(part, dx[row, :length], x_t.grad)
        assert not dx[row, length if count else 0 :].any()
    equal(part, layer.w.grad, w_t.grad)
    if bias:
        equal(part, layer.b.grad, b_t.grad)


@pytest.mark.filterwarnings("ignore:Using padding=:UserWarning")  # an even window costs torch a copy
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_same_is_torchs_same(equal, size, dilation):
    layer = Conv1D(UNITS, size, dilation=dilation)
    layer.build((None, None, FEATURES), dtype="float64", seed=0)
    peer = torch.nn.Conv1d(FEATURES, UNITS, size, padding="same", dilation=dilation, dtype=torch.float64)
    with torch.no_grad():
        peer.weight.copy_(torch.tensor(layer.w.numpy().transpose(2, 1, 0).copy()))
        peer.bias.zero_()
    x = numbers(BATCH, TIME, FEATURES)
    equal("Conv1D same, torch's own", layer(x), peer(tensor(x).transpose(1, 2)).transpose(1, 2))
