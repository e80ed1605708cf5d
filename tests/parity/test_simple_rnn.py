"""SimpleRNN equals torch.nn.RNN: outputs, final states and every gradient."""

import numpy as np
import pytest

from lamina import Sequential
from lamina.layers import SimpleRNN

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")
pytestmark = pytest.mark.parity

BATCH, TIME, FEATURES, UNITS = 6, 9, 4, 5
LENGTHS = np.array([4, 1, 9, 9, 2, 7])
BACKENDS = ["numpy", "reference"]


def numbers(*shape, seed=0):
    return np.random.default_rng((seed, *shape)).standard_normal(shape)


def tensor(array, grad=True):
    return torch.tensor(np.ascontiguousarray(array), dtype=torch.float64, requires_grad=grad)


def build(backend, lengths=None, **options):
    layer = SimpleRNN(UNITS, return_sequences=True, return_state=True, **options)
    layer.build((None, None, FEATURES), (None, UNITS), backend=backend, dtype="float64", seed=3)
    for parameter in layer.parameters():
        parameter.data = 0.4 * numbers(*parameter.shape, seed=7)
    return layer


def torch_cell(layer, activation):
    """Return torch's layer with our weights. It has two biases: the second is 0."""
    cell = torch.nn.RNN(layer.w_x.shape[0], layer.units, nonlinearity=activation, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        cell.weight_ih_l0.copy_(torch.tensor(layer.w_x.data.T.copy()))
        cell.weight_hh_l0.copy_(torch.tensor(layer.w_h.data.T.copy()))
        cell.bias_ih_l0.copy_(torch.tensor(np.zeros(layer.units) if layer.b is None else layer.b.data.copy()))
        cell.bias_hh_l0.zero_()
    return cell


def flipped(array, lengths):
    """Return the array with each row's valid part reversed in time."""
    rows = []
    for row, length in zip(array, lengths, strict=True):
        valid = row[:length].flip(0) if hasattr(row, "flip") else row[:length][::-1]
        rows.append(torch.cat([valid, row[length:]]) if hasattr(row, "flip") else np.concatenate([valid, row[length:]]))
    return torch.stack(rows) if hasattr(rows[0], "flip") else np.stack(rows)


def run_torch(cell, x, state, lengths):
    if lengths is None:
        y, last = cell(x, state[None])
        return y, last[0]
    pack, unpack = torch.nn.utils.rnn.pack_padded_sequence, torch.nn.utils.rnn.pad_packed_sequence
    packed = pack(x, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
    y, last = cell(packed, state[None])
    return unpack(y, batch_first=True, total_length=x.shape[1])[0], last[0]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("backwards", [False, True], ids=["forwards", "backwards"])
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no-bias"])
def test_simple_rnn(equal, backend, backwards, lengths, activation, bias):
    layer = build(backend, activation=activation, go_backwards=backwards, use_bias=bias)
    x, state = numbers(BATCH, TIME, FEATURES), numbers(BATCH, UNITS)
    dy, dlast = numbers(BATCH, TIME, UNITS, seed=1), numbers(BATCH, UNITS, seed=1)
    full = np.full(BATCH, TIME) if lengths is None else lengths

    (y, last), saved = layer.forward(x, state, lengths=lengths)
    dx, dstate = layer.backward((dy, dlast), saved)

    cell, x_t, state_t = torch_cell(layer, activation), tensor(x), tensor(state)
    y_t, last_t = run_torch(cell, flipped(x_t, full) if backwards else x_t, state_t, lengths)
    y_t = flipped(y_t, full) if backwards else y_t
    # torch has no gradient for the padding of its output: it is a constant 0 there, as ours is.
    torch.autograd.backward([y_t, last_t], [tensor(dy, False), tensor(dlast, False)])

    part = f"SimpleRNN {activation}{', lengths' if lengths is not None else ''}{', backwards' if backwards else ''}"
    for ours, theirs in (
        (y, y_t),
        (last, last_t),
        (dx, x_t.grad),
        (dstate, state_t.grad),
        (layer.w_x.grad, cell.weight_ih_l0.grad.T),
        (layer.w_h.grad, cell.weight_hh_l0.grad.T),
        *([(layer.b.grad, cell.bias_ih_l0.grad)] if bias else []),
    ):
        equal(part, ours, theirs)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
def test_last_step_alone(equal, backend, lengths):
    layer = SimpleRNN(UNITS)
    layer.build((None, None, FEATURES), backend=backend, dtype="float64", seed=3)
    x, dy = numbers(BATCH, TIME, FEATURES), numbers(BATCH, UNITS, seed=1)
    y, saved = layer.forward(x, lengths=lengths)
    dx = layer.backward(dy, saved)
    cell, x_t = torch_cell(layer, "tanh"), tensor(x)
    _, last_t = run_torch(cell, x_t, torch.zeros(BATCH, UNITS, dtype=torch.float64), lengths)
    last_t.backward(tensor(dy, False))
    for ours, theirs in ((y, last_t), (dx, x_t.grad), (layer.w_h.grad, cell.weight_hh_l0.grad.T)):
        equal("SimpleRNN, last step", ours, theirs)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
def test_two_layers(equal, backend, lengths):
    first, second = SimpleRNN(UNITS, return_sequences=True), SimpleRNN(UNITS + 2, return_sequences=True)
    model = Sequential(first, second)
    model.build((None, None, FEATURES), backend=backend, dtype="float64", seed=4)
    x, dy = numbers(BATCH, TIME, FEATURES), numbers(BATCH, TIME, UNITS + 2, seed=1)
    y, saved = model.forward(x, lengths=lengths)
    dx = model.backward(dy, saved)

    x_t, below, above = tensor(x), torch_cell(first, "tanh"), torch_cell(second, "tanh")
    middle, _ = run_torch(below, x_t, torch.zeros(BATCH, UNITS, dtype=torch.float64), lengths)
    y_t, _ = run_torch(above, middle, torch.zeros(BATCH, UNITS + 2, dtype=torch.float64), lengths)
    y_t.backward(tensor(dy, False))
    equal("SimpleRNN, two layers", y, y_t)
    equal("SimpleRNN, two layers", dx, x_t.grad)
    for layer, cell in ((first, below), (second, above)):
        equal("SimpleRNN, two layers", layer.w_x.grad, cell.weight_ih_l0.grad.T)
        equal("SimpleRNN, two layers", layer.w_h.grad, cell.weight_hh_l0.grad.T)
        equal("SimpleRNN, two layers", layer.b.grad, cell.bias_ih_l0.grad)
