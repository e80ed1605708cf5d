"""LSTM and GRU, as layers, equal torch's: outputs, states and every gradient, ragged rows and both directions.

PyTorch has no GRU whose reset gate multiplies the state: that one equals a plain loop, with autograd's gradients.
"""

import numpy as np
import pytest

from lamina import Sequential
from lamina.layers import GRU, LSTM

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")
pytestmark = pytest.mark.parity

BATCH, TIME, FEATURES, UNITS = 6, 9, 4, 5
LENGTHS = np.array([4, 1, 9, 9, 2, 7])
OPTIONS = [
    pytest.mark.parametrize("backend", ["numpy", "reference"]),
    pytest.mark.parametrize("backwards", [False, True], ids=["forwards", "backwards"]),
    pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"]),
    pytest.mark.parametrize("bias", [True, False], ids=["bias", "no-bias"]),
]


def every_way(test):
    for option in OPTIONS:
        test = option(test)
    return test


def numbers(*shape, seed=0):
    return np.random.default_rng((seed, *shape)).standard_normal(shape)


def tensor(array, grad=True):
    return torch.tensor(np.ascontiguousarray(array), requires_grad=grad)


def part_of(name, lengths, backwards):
    return f"{name}{'' if lengths is None else ', lengths'}{', backwards' if backwards else ''}"


def build(layer, backend):
    count = 2 if isinstance(layer, LSTM) else 1
    layer.build((None, None, FEATURES), *[(None, UNITS)] * count, backend=backend, dtype="float64", seed=3)
    for index, parameter in enumerate(layer.parameters()):
        parameter.data = 0.4 * numbers(*parameter.shape, seed=index)
    return [numbers(BATCH, UNITS, seed=index) for index in range(count)]


def twin(layer):
    """Return torch's layer with our weights; its second bias is 0 but for the candidate's of a GRU."""
    kind = torch.nn.LSTM if isinstance(layer, LSTM) else torch.nn.GRU
    cell = kind(layer.w_x.shape[0], UNITS, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        cell.weight_ih_l0.copy_(torch.tensor(layer.w_x.numpy().T.copy()))
        cell.weight_hh_l0.copy_(torch.tensor(layer.w_h.numpy().T.copy()))
        cell.bias_ih_l0.zero_()
        cell.bias_hh_l0.zero_()
        if layer.b is not None:
            cell.bias_ih_l0.copy_(torch.tensor(layer.b.numpy()))
        if getattr(layer, "b_h", None) is not None:
            cell.bias_hh_l0[2 * UNITS :] = torch.tensor(layer.b_h.numpy())
    return cell


def weight_gradients(layer, cell):
    yield layer.w_x.grad, cell.weight_ih_l0.grad.T
    yield layer.w_h.grad, cell.weight_hh_l0.grad.T
    if layer.b is not None:
        yield layer.b.grad, cell.bias_ih_l0.grad
    if getattr(layer, "b_h", None) is not None:
        yield layer.b_h.grad, cell.bias_hh_l0.grad[2 * UNITS :]


def flipped(array, lengths):
    return torch.stack([torch.cat([row[:n].flip(0), row[n:]]) for row, n in zip(array, lengths, strict=True)])


def run_torch(cell, x, states, lengths, backwards=False):
    """Return torch's outputs and last states, each row reversed within its length where asked."""
    full = np.full(BATCH, TIME) if lengths is None else lengths
    pack, unpack = torch.nn.utils.rnn.pack_padded_sequence, torch.nn.utils.rnn.pad_packed_sequence
    x = flipped(x, full) if backwards else x
    packed = pack(x, torch.tensor(full), batch_first=True, enforce_sorted=False)
    given = None if states is None else tuple(state[None] for state in states)
    y, last = cell(packed, given if given is None or len(given) == 2 else given[0])
    y = unpack(y, batch_first=True, total_length=TIME)[0]
    last = [state[0] for state in (last if isinstance(last, tuple) else (last,))]
    return (flipped(y, full) if backwards else y), last


@every_way
@pytest.mark.parametrize("kind", [LSTM, GRU])
def test_layer(equal, kind, backend, backwards, lengths, bias):
    layer = kind(UNITS, return_sequences=True, return_state=True, go_backwards=backwards, use_bias=bias)
    states = build(layer, backend)
    dstates = [numbers(BATCH, UNITS, seed=5 + index) for index in range(len(states))]
    x, dy = numbers(BATCH, TIME, FEATURES), numbers(BATCH, TIME, UNITS, seed=1)
    (y, *last), saved = layer.forward(x, *states, lengths=lengths)
    dx, *dinitial = layer.backward((dy, *dstates), saved)

    cell, x_t, states_t = twin(layer), tensor(x), [tensor(state) for state in states]
    y_t, last_t = run_torch(cell, x_t, states_t, lengths, backwards)
    torch.autograd.backward([y_t, *last_t], [tensor(array, False) for array in (dy, *dstates)])
    for ours, theirs in (
        (y, y_t),
        *zip(last, last_t, strict=True),
        (dx, x_t.grad),
        *((own, state.grad) for own, state in zip(dinitial, states_t, strict=True)),
        *weight_gradients(layer, cell),
    ):
        equal(part_of(kind.__name__, lengths, backwards), ours, theirs)


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
def test_an_lstm_below_a_gru_that_returns_its_last_step(equal, backend, lengths):
    below, above = LSTM(UNITS, return_sequences=True), GRU(UNITS)
    model = Sequential(below, above)
    model.build((None, None, FEATURES), backend=backend, dtype="float64", seed=4)
    x, dy = numbers(BATCH, TIME, FEATURES), numbers(BATCH, UNITS, seed=1)
    y, saved = model.forward(x, lengths=lengths)
    dx = model.backward(dy, saved)

    first, second, x_t = twin(below), twin(above), tensor(x)
    middle, _ = run_torch(first, x_t, None, lengths)
    _, (y_t,) = run_torch(second, middle, None, lengths)
    y_t.backward(tensor(dy, False))
    for ours, theirs in ((y, y_t), (dx, x_t.grad), *weight_gradients(below, first), *weight_gradients(above, second)):
        equal("LSTM below GRU, last step", ours, theirs)


def plain_gru(x, h, w_x, w_h, b, lengths, backwards):
    """Return outputs and last states of the paper's GRU, row by row and step by step."""
    outputs, last = [], []
    for row, state, length in zip(x, h, lengths, strict=True):
        steps = [torch.zeros(UNITS, dtype=torch.float64)] * TIME
        for t in reversed(range(length)) if backwards else range(length):
            a = row[t] @ w_x + b
            r = torch.sigmoid(a[:UNITS] + state @ w_h[:, :UNITS])
            z = torch.sigmoid(a[UNITS : 2 * UNITS] + state @ w_h[:, UNITS : 2 * UNITS])
            n = torch.tanh(a[2 * UNITS :] + (r * state) @ w_h[:, 2 * UNITS :])
            state = steps[t] = (1 - z) * n + z * state
        outputs.append(torch.stack(steps))
        last.append(state)
    return torch.stack(outputs), torch.stack(last)


@every_way
def test_gru_whose_reset_gate_multiplies_the_state(equal, backend, backwards, lengths, bias):
    layer = GRU(
        UNITS, reset_after=False, return_sequences=True, return_state=True, go_backwards=backwards, use_bias=bias
    )
    (state,) = build(layer, backend)
    x, dy = numbers(BATCH, TIME, FEATURES), numbers(BATCH, TIME, UNITS, seed=1)
    dlast = numbers(BATCH, UNITS, seed=5)
    (y, last), saved = layer.forward(x, state, lengths=lengths)
    dx, dstate = layer.backward((dy, dlast), saved)

    x_t, h_t, w_x, w_h = (tensor(array) for array in (x, state, layer.w_x.numpy(), layer.w_h.numpy()))
    b = tensor(layer.b.numpy() if bias else np.zeros(3 * UNITS))
    full = np.full(BATCH, TIME) if lengths is None else lengths
    y_t, last_t = plain_gru(x_t, h_t, w_x, w_h, b, full, backwards)
    torch.autograd.backward([y_t, last_t], [tensor(dy, False), tensor(dlast, False)])
    for ours, theirs in (
        (y, y_t),
        (last, last_t),
        (dx, x_t.grad),
        (dstate, h_t.grad),
        (layer.w_x.grad, w_x.grad),
        (layer.w_h.grad, w_h.grad),
        *([(layer.b.grad, b.grad)] if bias else []),
    ):
        equal(part_of("GRU reset before", lengths, backwards), ours, theirs)
