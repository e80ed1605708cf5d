"""MinGRU, MinLSTM, IndRNN, LRU and SLSTM equal PyTorch's arithmetic: outputs, states, every gradient by autograd.

PyTorch has none of these as a module. Each is written out here for whole batches, from its paper: LRU in torch's
complex numbers, sLSTM without the scaling that leaves it as it is, and MinGRU also by its closed form over time.
"""

from importlib.util import find_spec

import numpy as np
import pytest

from lamina.layers import LRU, SLSTM, IndRNN, MinGRU, MinLSTM

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")
pytestmark = pytest.mark.parity

BATCH, TIME, FEATURES, UNITS = 6, 9, 4, 5
LENGTHS = np.array([4, 1, 9, 0, 2, 7])


def numbers(*shape, seed=0):
    return np.random.default_rng((seed, *shape)).standard_normal(shape)


def tensor(array):
    return torch.tensor(np.array(array), requires_grad=True)


def min_gru(layer, w, x, states):
    z, candidate = (x @ w["w_x"] + w["b"]).chunk(2, -1)
    z = torch.sigmoid(z)
    return ((1 - z) * states[0] + z * candidate,)


def min_lstm(layer, w, x, states):
    i, f, candidate = (x @ w["w_x"] + w["b"]).chunk(3, -1)
    i, f = torch.sigmoid(i), torch.sigmoid(f)
    return ((f * states[0] + i * candidate) / (f + i),)


def ind_rnn(layer, w, x, states):
    a = x @ w["w_x"] + w["w_h"] * states[0] + w["b"]
    return (torch.tanh(a) if layer.activation == "tanh" else torch.relu(a),)


def lru(layer, w, x, states):
    n, p, gain = w["eigenvalues"].exp().chunk(3)
    half = torch.complex(*states[1].chunk(2, -1))
    b, c = torch.complex(*w["w_b"].chunk(2, -1)), torch.complex(*w["w_c"].chunk(2, 0)).conj()
    s = torch.polar(torch.exp(-n), p) * half + gain * (x.to(b.dtype) @ b)
    return (s @ c).real + x @ w["w_d"], torch.cat([s.real, s.imag], -1)


def slstm(layer, w, x, states):
    """Of m only what the layer's states need: c and n are kept as they are, and divided by exp(m) at the end."""
    h, c, n, m = states
    i, f, z, o = (x @ w["w_x"] + h @ w["w_h"] + w["b"]).chunk(4, -1)
    log_f = f if layer.forget == "exp" else torch.log(torch.sigmoid(f))
    true_c, true_n, f = c * torch.exp(m), n * torch.exp(m), torch.exp(log_f)
    true_c, true_n = f * true_c + torch.exp(i) * torch.tanh(z), f * true_n + torch.exp(i)
    m = torch.where(n == 0, i, torch.maximum(log_f + m, i))
    return torch.sigmoid(o) * true_c / true_n, true_c / torch.exp(m), true_n / torch.exp(m), m


KINDS = [
    (MinGRU, {}, min_gru),
    (MinLSTM, {}, min_lstm),
    (IndRNN, {"activation": "relu"}, ind_rnn),
    (IndRNN, {"activation": "tanh"}, ind_rnn),
    (LRU, {}, lru),
    (SLSTM, {"forget": "sigmoid"}, slstm),
    (SLSTM, {"forget": "exp"}, slstm),
]
NAMES = [" ".join([kind.__name__, *options.values()]) for kind, options, _ in KINDS]


NUMBA = pytest.mark.skipif(find_spec("numba") is None, reason="needs Numba: pip install -e '.[numba]'")


@pytest.mark.parametrize("backend", ["numpy", "reference", pytest.param("numba", marks=NUMBA)])
@pytest.mark.parametrize("backwards", [False, True], ids=["forwards", "backwards"])
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
@pytest.mark.parametrize("given", [True, False], ids=["states", "no-states"])
@pytest.mark.parametrize(("kind", "options", "step"), KINDS, ids=NAMES)
def test_layer(equal, kind, options, step, backend, backwards, lengths, given):
    layer = kind(UNITS, **options, return_sequences=True, return_state=True, go_backwards=backwards)
    sizes = layer.state_sizes
    shapes = [(None, size) for size in sizes] if given else []
    layer.build((None, None, FEATURES), *shapes, backend=backend, dtype="float64", seed=3)
    for index, parameter in enumerate(layer.parameters()):
        parameter.data = 0.4 * numbers(*parameter.shape, seed=index)
    # Over 0, as an sLSTM's normalizer is; all have something to forget.
    states = [
        0.5 + abs(numbers(BATCH, size, seed=index)) if given else np.zeros((BATCH, size))
        for index, size in enumerate(sizes)
    ]
    dstates = [numbers(BATCH, size, seed=5 + index) for index, size in enumerate(sizes)]
    x, dy = numbers(BATCH, TIME, FEATURES), numbers(BATCH, TIME, UNITS, seed=1)
    (y, *last), saved = layer.forward(x, *(states if given else ()), lengths=lengths)
    dx = layer.backward((dy, *dstates), saved)
    dx, *dinitial = dx if given else (dx,)

    x_t, states_t = tensor(x), [tensor(state) for state in states]
    w = {name: tensor(parameter.numpy()) for name, parameter in layer.named_parameters().items()}
    outputs, current = [torch.zeros(BATCH, UNITS, dtype=torch.float64)] * TIME, tuple(states_t)
    ends = torch.tensor(np.full(BATCH, TIME) if lengths is None else lengths)[:, None]
    for t in reversed(range(TIME)) if backwards else range(TIME):
        after = step(layer, w, x_t[:, t], current)
        current = tuple(torch.where(t < ends, new, old) for new, old in zip(after, current, strict=True))
        outputs[t] = torch.where(t < ends, current[0], torch.zeros_like(current[0]))
    y_t = torch.stack(outputs, 1)
    torch.autograd.backward([y_t, *current], [torch.tensor(array) for array in (dy, *dstates)])

    part = f"{kind.__name__}{'' if lengths is None else ', lengths'}{', backwards' if backwards else ''}"
    for ours, theirs in (
        (y, y_t),
        *zip(last, current, strict=True),
        (dx, x_t.grad),
        *((own, state.grad) for own, state in zip(dinitial, states_t, strict=given)),
        *((parameter.read_grad(), w[name].grad) for name, parameter in layer.named_parameters().items()),
    ):
        equal(part, ours, theirs)


def test_min_gru_by_its_closed_form(equal):
    """h_t is the sum of all z_s c_s, each times what the steps after it keep: no step looks at the one before."""
    layer = MinGRU(UNITS, return_sequences=True)
    layer.build((None, None, FEATURES), dtype="float64", seed=3)
    x = numbers(BATCH, TIME, FEATURES)
    z, candidate = (torch.tensor(x) @ torch.tensor(layer.w_x.numpy())).chunk(2, -1)
    z = torch.sigmoid(z)
    kept = torch.cumsum(torch.log(1 - z), 1)
    expected = torch.exp(kept) * torch.cumsum(torch.exp(torch.log(z) - kept) * candidate, 1)
    equal("MinGRU, closed form", layer(x), expected)
