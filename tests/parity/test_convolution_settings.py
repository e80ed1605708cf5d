"""Convolution in groups, with padding by number, and transposed equals torch's modules, each row cut to its length."""

import numpy as np
import pytest

from lamina.layers import Conv1D, Conv1DTranspose

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")
pytestmark = pytest.mark.parity

BATCH, TIME, FEATURES, UNITS = 6, 11, 6, 12
LENGTHS = np.array([4, 1, 11, 0, 2, 7])


def both(test):
    test = pytest.mark.parametrize("backend", ["numpy", "reference"])(test)
    return pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])(test)


def numbers(*shape, seed=0):
    return np.random.default_rng((seed, *shape)).standard_normal(shape)


def check(equal, layer, backend, lengths, peer, axes):
    """Compare with ``peer``, torch's module, whose weight is ours with its axes in this order."""
    layer.build((None, None, FEATURES), backend=backend, dtype="float64", seed=0)
    layer.b.data = numbers(UNITS)
    x = numbers(BATCH, TIME, FEATURES)
    if lengths is not None:
        x[np.arange(TIME) >= lengths[:, None]] = np.nan
    y, saved = layer.forward(x, lengths=lengths)
    dy = numbers(*y.shape, seed=1)
    dx = layer.backward(dy, saved)
    peer = peer.double()
    with torch.no_grad():
        peer.weight.copy_(torch.tensor(layer.w.numpy().transpose(axes).copy()))
        peer.bias.copy_(torch.tensor(layer.b.numpy()))
    part = f"{type(layer).__name__}{'' if lengths is None else ', lengths'}, settings"
    outputs = np.full(BATCH, y.shape[1]) if lengths is None else layer.output_lengths(lengths)
    compared = 0
    for row, length in enumerate(np.full(BATCH, TIME) if lengths is None else lengths):
        x_t = torch.tensor(x[row, :length].T.copy(), requires_grad=True)
        try:
            y_t = peer(x_t[None])[0].T
        except RuntimeError:  # a row without a step, or too short for a window: torch gives no output of no steps
            assert outputs[row] == 0
            assert not dx[row].any()
        else:
            assert outputs[row] == len(y_t)
            equal(part, y[row, : len(y_t)], y_t)
            y_t.backward(torch.tensor(dy[row, : len(y_t)]))
            equal(part, dx[row, :length], x_t.grad.T)
            assert not dx[row, length:].any()
            compared += 1
        assert not y[row, outputs[row] :].any()
    assert compared >= 2
    equal(part, layer.w.grad.transpose(axes), peer.weight.grad)
    equal(part, layer.b.grad, peer.bias.grad)


@both
@pytest.mark.parametrize("groups", [1, 2, 3, 6])
@pytest.mark.parametrize(
    ("size", "stride", "padding", "dilation"), [(3, 1, 1, 1), (4, 2, 3, 1), (3, 3, 0, 2), (2, 1, 5, 2), (1, 2, 0, 1)]
)
def test_conv1d(equal, backend, lengths, size, stride, padding, dilation, groups):
    settings = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    peer = torch.nn.Conv1d(FEATURES, UNITS, size, **settings)
    check(equal, Conv1D(UNITS, size, **settings), backend, lengths, peer, (2, 1, 0))


@both
@pytest.mark.parametrize("padding", [(2, 0), (0, 3), (4, 1)])
def test_conv1d_padded_by_two_numbers(equal, backend, lengths, padding):
    settings = {"stride": 2, "groups": 2}
    peer = torch.nn.Conv1d(FEATURES, UNITS, 3, **settings)
    run = peer.forward
    peer.forward = lambda x: run(torch.nn.functional.pad(x, padding if x.shape[-1] else (0, 0)))
    check(equal, Conv1D(UNITS, 3, padding=padding, **settings), backend, lengths, peer, (2, 1, 0))


@both
@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize(
    ("size", "stride", "padding", "dilation", "more"),
    [
        (3, 1, 1, 1, 0),
        (3, 2, 1, 1, 1),
        (4, 3, 0, 1, 2),
        (2, 4, 0, 1, 3),
        (3, 2, 3, 2, 0),
        (3, 1, 0, 3, 2),
        (1, 1, 0, 1, 0),
    ],
)
def test_conv1d_transpose(equal, backend, lengths, size, stride, padding, dilation, more, groups):
    settings = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups, "output_padding": more}
    peer = torch.nn.ConvTranspose1d(FEATURES, UNITS, size, **settings)
    check(equal, Conv1DTranspose(UNITS, size, **settings), backend, lengths, peer, (1, 2, 0))


@both
@pytest.mark.parametrize(
    ("padding", "theirs"), [("same", (1, 1)), ("valid", (0, 0)), ("causal", (0, -1)), ((1, 3), (1, 3))]
)
@pytest.mark.parametrize("stride", [1, 2])
def test_conv1d_transpose_by_name(equal, backend, lengths, padding, theirs, stride):
    """Torch's whole output, of which steps are cut from both ends, or zeros added."""
    peer = torch.nn.ConvTranspose1d(FEATURES, UNITS, 3, stride=stride)
    run = peer.forward
    before, after = theirs

    def cut(x):
        whole = run(x) - peer.bias[:, None]
        if padding in ("same", "causal"):
            steps = stride * x.shape[-1]
            whole = torch.nn.functional.pad(whole, (0, stride))[..., before : before + steps]
        else:
            whole = whole[..., before : whole.shape[-1] - after]
        if not whole.shape[-1]:
            raise RuntimeError("all is cut off")
        return whole + peer.bias[:, None]

    peer.forward = cut
    check(equal, Conv1DTranspose(UNITS, 3, stride=stride, padding=padding), backend, lengths, peer, (1, 2, 0))


@pytest.mark.parametrize("padding", ["same", (2, 1)])
@pytest.mark.parametrize("stride", [1, 3])
def test_it_is_the_transpose_of_conv1d(padding, stride):
    """Where the output of one is as long as the input of the other: the products of x and y are the same."""
    forth = Conv1D(UNITS, 4, stride=stride, padding=padding, use_bias=False)
    forth.build((None, None, FEATURES), dtype="float64", seed=0)
    x = numbers(2, 12, FEATURES)
    y = numbers(2, forth(x).shape[1], UNITS, seed=1)
    more = 0 if padding == "same" else stride - 1  # steps at the end that no window reads
    back = Conv1DTranspose(FEATURES, 4, stride=stride, padding=padding, output_padding=more, use_bias=False)
    back.build((None, None, UNITS), dtype="float64", seed=0)
    back.w.data = forth.w.numpy().transpose(0, 2, 1).copy()
    given = back(y)
    assert given.shape == x.shape
    np.testing.assert_allclose((forth(x) * y).sum(), (x * given).sum(), rtol=1e-12)
