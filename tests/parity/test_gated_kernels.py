"""The LSTM and GRU kernels equal torch's cells: outputs, final states and every gradient, ragged rows included."""

import numpy as np
import pytest

import lamina

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")
pytestmark = pytest.mark.parity

BATCH, TIME, FEATURES, UNITS = 6, 9, 4, 5
LENGTHS = np.array([4, 1, 9, 9, 2, 7])


def numbers(*shape, seed=0):
    return np.random.default_rng((seed, *shape)).standard_normal(shape)


def tensor(array):
    return torch.tensor(np.ascontiguousarray(array), requires_grad=True)


def flipped(array, lengths):
    return torch.stack([torch.cat([row[:n].flip(0), row[n:]]) for row, n in zip(array, lengths, strict=True)])


def run_torch(cell, x, states, lengths, reverse):
    full = np.full(BATCH, TIME) if lengths is None else lengths
    packed = torch.nn.utils.rnn.pack_padded_sequence(
        flipped(x, full) if reverse else x, torch.tensor(full), batch_first=True, enforce_sorted=False
    )
    y, last = cell(packed, states)
    y, _ = torch.nn.utils.rnn.pad_packed_sequence(y, batch_first=True, total_length=TIME)
    return (flipped(y, full) if reverse else y), last


def with_weights(cell, w_x, w_h, b, b_h):
    with torch.no_grad():
        cell.weight_ih_l0.copy_(torch.tensor(w_x.T.copy()))
        cell.weight_hh_l0.copy_(torch.tensor(w_h.T.copy()))
        cell.bias_ih_l0.copy_(torch.tensor(b))
        cell.bias_hh_l0.copy_(torch.tensor(b_h))
    return cell


OPTIONS = [
    pytest.mark.parametrize("backend", ["numpy", "reference"]),
    pytest.mark.parametrize("reverse", [False, True], ids=["forwards", "backwards"]),
    pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"]),
]


def every_way(test):
    for option in OPTIONS:
        test = option(test)
    return test


@every_way
def test_lstm(equal, backend, reverse, lengths):
    kernel = lamina.get_backend(backend).select("lstm")
    x, h, c = numbers(BATCH, TIME, FEATURES), numbers(BATCH, UNITS), numbers(BATCH, UNITS, seed=1)
    w_x, w_h, b = numbers(FEATURES, 4 * UNITS), 0.5 * numbers(UNITS, 4 * UNITS), numbers(4 * UNITS)
    dy, dh, dc = numbers(BATCH, TIME, UNITS, seed=2), numbers(BATCH, UNITS, seed=3), numbers(BATCH, UNITS, seed=4)
    y, last, saved = kernel.forward(x, w_x, w_h, b, h, c, lengths, reverse=reverse)
    dx, dw_x, dw_h, db, dstates = kernel.backward(dy, dh, dc, saved, w_x, w_h)

    cell = torch.nn.LSTM(FEATURES, UNITS, batch_first=True, dtype=torch.float64)
    with_weights(cell, w_x, w_h, b, np.zeros(4 * UNITS))
    x_t, h_t, c_t = tensor(x), tensor(h), tensor(c)
    y_t, last_t = run_torch(cell, x_t, (h_t[None], c_t[None]), lengths, reverse)
    torch.autograd.backward([y_t, *last_t], [torch.tensor(dy), torch.tensor(dh)[None], torch.tensor(dc)[None]])
    for ours, theirs in (
        (y, y_t),
        (last[0], last_t[0][0]),
        (last[1], last_t[1][0]),
        (dx, x_t.grad),
        (dw_x, cell.weight_ih_l0.grad.T),
        (dw_h, cell.weight_hh_l0.grad.T),
        (db, cell.bias_ih_l0.grad),
        (dstates[0], h_t.grad),
        (dstates[1], c_t.grad),
    ):
        equal("LSTM kernel", ours, theirs)


@every_way
def test_gru(equal, backend, reverse, lengths):
    kernel = lamina.get_backend(backend).select("gru", reset_after=True)
    x, h = numbers(BATCH, TIME, FEATURES), numbers(BATCH, UNITS)
    w_x, w_h, b = numbers(FEATURES, 3 * UNITS), 0.5 * numbers(UNITS, 3 * UNITS), numbers(3 * UNITS)
    b_h = numbers(UNITS)
    dy, dh = numbers(BATCH, TIME, UNITS, seed=2), numbers(BATCH, UNITS, seed=3)
    y, last, saved = kernel.forward(x, w_x, w_h, b, b_h, h, lengths, reset_after=True, reverse=reverse)
    dx, dw_x, dw_h, db, db_h, dstate = kernel.backward(dy, dh, saved, w_x, w_h)

    cell = torch.nn.GRU(FEATURES, UNITS, batch_first=True, dtype=torch.float64)
    with_weights(cell, w_x, w_h, b, np.concatenate([np.zeros(2 * UNITS), b_h]))
    x_t, h_t = tensor(x), tensor(h)
    y_t, last_t = run_torch(cell, x_t, h_t[None], lengths, reverse)
    torch.autograd.backward([y_t, last_t], [torch.tensor(dy), torch.tensor(dh)[None]])
    for ours, theirs in (
        (y, y_t),
        (last, last_t[0]),
        (dx, x_t.grad),
        (dw_x, cell.weight_ih_l0.grad.T),
        (dw_h, cell.weight_hh_l0.grad.T),
        (db, cell.bias_ih_l0.grad),
        (db_h, cell.bias_hh_l0.grad[2 * UNITS :]),
        (dstate, h_t.grad),
    ):
        equal("GRU kernel", ours, theirs)
