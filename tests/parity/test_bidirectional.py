"""Bidirectional equals torch's layers with bidirectional=True on packed sequences: outputs, states, gradients."""

import numpy as np
import pytest

from lamina import Bidirectional, Sequential
from lamina.layers import GRU, LSTM, SimpleRNN

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")
pytestmark = pytest.mark.parity

BATCH, TIME, FEATURES, UNITS = 6, 9, 4, 5
LENGTHS = np.array([4, 1, 9, 9, 2, 7])
BACKENDS = ["numpy", "reference"]
PAIRS = {"SimpleRNN": (SimpleRNN, "RNN"), "LSTM": (LSTM, "LSTM"), "GRU": (GRU, "GRU")}


def numbers(*shape, seed=0):
    return np.random.default_rng((seed, *shape)).standard_normal(shape)


def tensor(array, grad=True):
    return torch.tensor(np.ascontiguousarray(array), dtype=torch.float64, requires_grad=grad)


def with_weights(cell, layers):
    """Return torch's layer with our weights; its second bias is 0 but for the candidate's of a GRU."""
    with torch.no_grad():
        for number, both in enumerate(layers):
            for ours, suffix in ((both.layer, f"l{number}"), (both.twin, f"l{number}_reverse")):
                b_h = np.zeros(ours.b.shape)
                if isinstance(ours, GRU):
                    b_h[2 * UNITS :] = ours.b_h.numpy()
                values = {"weight_ih": ours.w_x.numpy().T, "weight_hh": ours.w_h.numpy().T, "bias_ih": ours.b.numpy()}
                for name, value in (values | {"bias_hh": b_h}).items():
                    getattr(cell, f"{name}_{suffix}").copy_(torch.tensor(value.copy()))
    return cell


def gradients(cell, layers):
    """Return pairs of gradients: ours and torch's."""
    for number, both in enumerate(layers):
        for ours, suffix in ((both.layer, f"l{number}"), (both.twin, f"l{number}_reverse")):
            yield ours.w_x.grad, getattr(cell, f"weight_ih_{suffix}").grad.T
            yield ours.w_h.grad, getattr(cell, f"weight_hh_{suffix}").grad.T
            yield ours.b.grad, getattr(cell, f"bias_ih_{suffix}").grad
            if isinstance(ours, GRU):
                yield ours.b_h.grad, getattr(cell, f"bias_hh_{suffix}").grad[2 * UNITS :]


def run_torch(cell, x, states, lengths):
    full = np.full(BATCH, TIME) if lengths is None else lengths
    pack, unpack = torch.nn.utils.rnn.pack_padded_sequence, torch.nn.utils.rnn.pad_packed_sequence
    packed = pack(x, torch.tensor(full), batch_first=True, enforce_sorted=False)
    y, last = cell(packed, states)
    return unpack(y, batch_first=True, total_length=TIME)[0], last if isinstance(last, tuple) else (last,)


def merged(y, merge):
    a, b = y[..., :UNITS], y[..., UNITS:]
    return {"concat": y, "sum": a + b, "multiply": a * b, "average": (a + b) / 2}[merge]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
@pytest.mark.parametrize("merge", ["concat", "sum", "multiply", "average"])
def test_bidirectional(equal, backend, name, lengths, merge):
    kind, peer = PAIRS[name]
    layer = Bidirectional(kind(UNITS, return_sequences=True, return_state=True), merge)
    count = 2 if name == "LSTM" else 1
    states = [numbers(BATCH, UNITS, seed=seed) for seed in range(2 * count)]
    dstates = [numbers(BATCH, UNITS, seed=9 + seed) for seed in range(2 * count)]
    layer.build((None, None, FEATURES), *[(None, UNITS)] * 2 * count, backend=backend, dtype="float64", seed=3)
    for parameter in layer.parameters():
        parameter.data = 0.4 * numbers(*parameter.shape, seed=len(parameter.name))
    x = numbers(BATCH, TIME, FEATURES)
    (y, *last), saved = layer.forward(x, *states, lengths=lengths)
    dy = numbers(*y.shape, seed=1)
    dx, *dinitial = layer.backward((dy, *dstates), saved)

    cell = getattr(torch.nn, peer)(FEATURES, UNITS, batch_first=True, bidirectional=True, dtype=torch.float64)
    with_weights(cell, [layer])
    x_t, states_t = tensor(x), [tensor(state) for state in states]
    # torch stacks the directions of each state: h of both, then c of both.
    stacked = tuple(torch.stack([states_t[i], states_t[count + i]]) for i in range(count))
    y_t, last_t = run_torch(cell, x_t, stacked if count == 2 else stacked[0], lengths)
    y_t = merged(y_t, merge)
    last_t = [last_t[i % count][i // count] for i in range(2 * count)]
    torch.autograd.backward([y_t, *last_t], [tensor(array, False) for array in (dy, *dstates)])
    part = f"Bidirectional {name} {merge}"
    for ours, theirs in (
        (y, y_t),
        *zip(last, last_t, strict=True),
        (dx, x_t.grad),
        *((own, state.grad) for own, state in zip(dinitial, states_t, strict=True)),
        *gradients(cell, [layer]),
    ):
        equal(part, ours, theirs)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
def test_a_stack_of_two(equal, backend, lengths):
    layers = [Bidirectional(LSTM(UNITS, return_sequences=True)) for _ in range(2)]
    model = Sequential(*layers)
    model.build((None, None, FEATURES), backend=backend, dtype="float64", seed=4)
    x, dy = numbers(BATCH, TIME, FEATURES), numbers(BATCH, TIME, 2 * UNITS, seed=1)
    y, saved = model.forward(x, lengths=lengths)
    dx = model.backward(dy, saved)
    cell = torch.nn.LSTM(FEATURES, UNITS, 2, batch_first=True, bidirectional=True, dtype=torch.float64)
    with_weights(cell, layers)
    x_t = tensor(x)
    y_t, _ = run_torch(cell, x_t, None, lengths)
    y_t.backward(tensor(dy, False))
    for ours, theirs in ((y, y_t), (dx, x_t.grad), *gradients(cell, layers)):
        equal("Bidirectional LSTM, two layers", ours, theirs)
