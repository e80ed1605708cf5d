"""The gradients that `gradient_flow` shows are those that PyTorch gives the hidden states, row by row."""

import numpy as np
import pytest

from lamina import Bidirectional, Composite, Sequential
from lamina.inspect import gradient_flow
from lamina.layers import GRU, LSTM, Dense, SimpleRNN

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")
pytestmark = pytest.mark.parity

BATCH, TIME, FEATURES, UNITS = 4, 7, 3, 4
LENGTHS = np.array([5, 1, 0, 3])  # no row has the last two steps


def tensor(array):
    return torch.tensor(np.ascontiguousarray(array), dtype=torch.float64)


def step(layer, x, h, c):
    """Return h and c after a step."""
    w_x, w_h, b = (tensor(one.data) for one in (layer.w_x, layer.w_h, layer.b))
    if isinstance(layer, SimpleRNN):
        return torch.tanh(x @ w_x + h @ w_h + b), c
    if isinstance(layer, LSTM):
        i, f, g, o = (x @ w_x + h @ w_h + b).chunk(4)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c
    (r, z, n), (hr, hz, hn) = (x @ w_x + b).chunk(3), (h @ w_h).chunk(3)
    b_h = tensor(layer.b_h.data) if getattr(layer, "b_h", None) is not None else 0
    z, r = (z + hz).sigmoid(), (r + hr).sigmoid()
    return (1 - z) * (n + r * (hn + b_h)).tanh() + z * h, c


def run(layer, x, state=None):
    """Return the hidden states of a row's steps, each of which keeps its gradient, in the order of time."""
    h = c = torch.zeros(UNITS, dtype=torch.float64)
    if state is not None:
        h, c = state[0], state[-1]
    found = {}
    for t in reversed(range(len(x))) if layer.go_backwards else range(len(x)):
        h, c = step(layer, x[t], h, c)
        h.retain_grad()
        found[t] = h
    return [found[t] for t in range(len(x))]


def check(equal, found, name, hidden):
    norms = np.zeros((BATCH, TIME))
    for row, steps in enumerate(hidden):
        for t, h in enumerate(steps):
            norms[row, t] = 0 if h.grad is None else float(h.grad.norm())
    equal("gradient flow", found.rows[name], norms)
    equal("gradient flow", found[name], np.sqrt((norms**2).sum(0)))
    ends = [(row, len(steps) - 1) for row, steps in enumerate(hidden) if steps]
    first, last = (
        np.sqrt(sum(norms[row, t] ** 2 for row, t in places)) for places in ([(r, 0) for r, _ in ends], ends)
    )
    assert found.ratio(name) == pytest.approx(first / last, rel=1e-9)


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
@pytest.mark.parametrize("kind", [SimpleRNN, LSTM, GRU])
@pytest.mark.parametrize("backend", ["numpy", "reference"])
def test_stack(equal, kind, lengths, backend):
    model = Sequential(kind(UNITS, return_sequences=True), kind(UNITS), Dense(2))
    model.build((None, None, FEATURES), dtype="float64", seed=0, backend=backend)
    x, y = np.random.default_rng(0).standard_normal((BATCH, TIME, FEATURES)), np.array([0, 1, 1, 0])
    found = gradient_flow(model, x, y, lengths=lengths)
    hidden, logits = [[], []], []
    for row, end in enumerate([TIME] * BATCH if lengths is None else lengths):
        for layer, seen in zip(model, hidden, strict=False):
            below = hidden[0][row] if seen is hidden[1] else tensor(x[row, :end]).requires_grad_()
            seen.append(run(layer, below))
        last = hidden[1][row][-1] if end else torch.zeros(UNITS, dtype=torch.float64)
        logits.append(last @ tensor(model[2].w.data) + tensor(model[2].b.data))
    torch.nn.functional.cross_entropy(torch.stack(logits), torch.tensor(y)).backward()
    check(equal, found, "0", hidden[0])
    check(equal, found, "1", hidden[1])


@pytest.mark.parametrize("kind", [SimpleRNN, LSTM, GRU])
@pytest.mark.parametrize("sequences", [False, True], ids=["last", "every"])
def test_both_directions(equal, kind, sequences):
    model = Sequential(Bidirectional(kind(UNITS, return_sequences=sequences)), Dense(2))
    model.build((None, None, FEATURES), dtype="float64", seed=0)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((BATCH, TIME, FEATURES)), rng.integers(0, 2, (BATCH, TIME) if sequences else BATCH)
    found = gradient_flow(model, x, y, lengths=LENGTHS)
    both, logits, targets = ([], []), [], []
    for row, end in enumerate(LENGTHS):
        own = tensor(x[row, :end]).requires_grad_()
        ahead, back = run(model[0].layer, own), run(model[0].twin, own)
        both[0].append(ahead)
        both[1].append(back)
        none = torch.zeros(UNITS, dtype=torch.float64)
        last = (ahead[-1], back[0]) if end else (none, none)
        pairs = list(zip(ahead, back, strict=True)) if sequences else [last]
        logits += [torch.cat(pair) @ tensor(model[1].w.data) + tensor(model[1].b.data) for pair in pairs]
        targets += y[row, :end].tolist() if sequences else [y[row]]
    torch.nn.functional.cross_entropy(torch.stack(logits), torch.tensor(targets)).backward()
    check(equal, found, "0.forward", both[0])
    check(equal, found, "0.backward", both[1])


class Decoder(Composite):
    """An encoder whose last states begin a decoder over the same rows."""

    def __init__(self, kind):
        self.kind = kind
        self.encoder = kind(UNITS, return_state=True)
        self.decoder = kind(UNITS)

    def compose(self, t, x):
        _, *states = t(self.encoder, x)
        return t(self.decoder, x, *states)


@pytest.mark.parametrize("kind", [SimpleRNN, LSTM, GRU])
def test_initial_states(equal, kind):
    model = Decoder(kind)
    model.build((None, None, FEATURES), dtype="float64", seed=0)
    x = np.random.default_rng(0).standard_normal((BATCH, TIME, FEATURES))
    found = gradient_flow(model, x, np.array([0, 1, 3, 2]), lengths=LENGTHS)
    encoded, decoded, logits = [], [], []
    for row, end in enumerate(LENGTHS):
        own = tensor(x[row, :end]).requires_grad_()
        encoded.append(run(model.encoder, own))
        zero = torch.zeros(UNITS, dtype=torch.float64)
        c = zero
        for value, h in zip(own, [zero, *encoded[-1][:-1]], strict=False):
            _, c = step(model.encoder, value, h, c)
        decoded.append(
            run(model.decoder, own, (encoded[-1][-1], c) if end and kind is LSTM else encoded[-1][-1:] or None)
        )
        logits.append(decoded[-1][-1] if end else zero)
    torch.nn.functional.cross_entropy(torch.stack(logits), torch.tensor([0, 1, 3, 2])).backward()
    check(equal, found, "encoder", encoded)
    check(equal, found, "decoder", decoded)
