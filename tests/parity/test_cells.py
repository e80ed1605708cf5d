"""Cells, an LSTM with a projection, dropout of the state and layer-normalized recurrences, equal PyTorch.

PyTorch has the cells and the projection (``proj_size``) as modules. Masks of the state and layer normalization are
loops over its cells and its ``layer_norm``, with autograd's gradients; stacks are its modules one after another.
"""

import numpy as np
import pytest

from lamina import Recurrent
from lamina.kinds.random import fixed_draws
from lamina.layers import (
    GRU,
    LSTM,
    Dense,
    GRUCell,
    LayerNormGRU,
    LayerNormLSTM,
    LSTMCell,
    SimpleRNN,
    SimpleRNNCell,
    StackedCells,
)

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")

from tests.parity.test_gated_layers import flipped, numbers, run_torch, tensor  # noqa: E402 (torch is known to be there)

pytestmark = pytest.mark.parity

BATCH, TIME, FEATURES, UNITS = 6, 9, 4, 5
LENGTHS = np.array([4, 1, 9, 9, 2, 7])
F = torch.nn.functional
backends = pytest.mark.parametrize("backend", ["numpy", "reference"])
ragged = pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])


def filled(layer):
    for index, parameter in enumerate(layer.parameters()):
        parameter.data = 0.4 * numbers(*parameter.shape, seed=index)
    return layer


def copied(cell, module, suffix=""):
    """Give a torch module our weights; its second bias is 0 but for the candidate's of a GRU."""
    with torch.no_grad():
        getattr(module, f"weight_ih{suffix}").copy_(torch.tensor(cell.w_x.numpy().T.copy()))
        getattr(module, f"weight_hh{suffix}").copy_(torch.tensor(cell.w_h.numpy().T.copy()))
        getattr(module, f"bias_ih{suffix}").copy_(torch.tensor(cell.b.numpy()))
        getattr(module, f"bias_hh{suffix}").zero_()
        if getattr(cell, "b_h", None) is not None:
            getattr(module, f"bias_hh{suffix}")[-UNITS:] = torch.tensor(cell.b_h.numpy())
    return module


MODULES = {
    "tanh": (SimpleRNNCell(UNITS), torch.nn.RNNCell, {}),
    "relu": (SimpleRNNCell(UNITS, activation="relu"), torch.nn.RNNCell, {"nonlinearity": "relu"}),
    "lstm": (LSTMCell(UNITS), torch.nn.LSTMCell, {}),
    "gru": (GRUCell(UNITS), torch.nn.GRUCell, {}),
}


@backends
@pytest.mark.parametrize("name", MODULES)
def test_a_step_of_each_cell(equal, backend, name):
    example, module, options = MODULES[name]
    cell = type(example)(**example.config())
    count = len(cell.state_sizes)
    cell.build((None, FEATURES), *[(None, UNITS)] * count, backend=backend, dtype="float64", seed=0)
    filled(cell)
    theirs = copied(cell, module(FEATURES, UNITS, dtype=torch.float64, **options))
    x, states = numbers(BATCH, FEATURES), [numbers(BATCH, UNITS, seed=index) for index in range(count)]
    dstates = [numbers(BATCH, UNITS, seed=5 + index) for index in range(count)]
    after, saved = cell.forward(x, *states)
    gradients = cell.backward(tuple(dstates) if count > 1 else dstates[0], saved)

    x_t, states_t = tensor(x), [tensor(state) for state in states]
    after_t = theirs(x_t, tuple(states_t) if count > 1 else states_t[0])
    outputs = list(after_t) if count > 1 else [after_t]
    torch.autograd.backward(outputs, [tensor(one, False) for one in dstates])
    for ours, other in (
        *zip(after if count > 1 else [after], outputs, strict=True),
        *zip(gradients, [x_t.grad, *(one.grad for one in states_t)], strict=True),
        (cell.w_x.grad, theirs.weight_ih.grad.T),
        (cell.w_h.grad, theirs.weight_hh.grad.T),
        (cell.b.grad, theirs.bias_ih.grad),
    ):
        equal(f"{type(cell).__name__}, one step", ours, other)
    if name == "gru":
        equal("GRUCell, one step", cell.b_h.grad, theirs.bias_hh.grad[-UNITS:])


@backends
@ragged
@pytest.mark.parametrize("backwards", [False, True], ids=["forwards", "backwards"])
def test_lstm_with_a_projection(equal, backend, lengths, backwards):
    size = 3
    layer = LSTM(UNITS, projection=size, return_sequences=True, return_state=True, go_backwards=backwards)
    layer.build((None, None, FEATURES), (None, size), (None, UNITS), backend=backend, dtype="float64", seed=0)
    filled(layer)
    cell = torch.nn.LSTM(FEATURES, UNITS, proj_size=size, batch_first=True, dtype=torch.float64)
    copied(layer, cell, "_l0")
    with torch.no_grad():
        cell.weight_hr_l0.copy_(torch.tensor(layer.w_p.numpy().T.copy()))
    x, dy = numbers(BATCH, TIME, FEATURES), numbers(BATCH, TIME, size, seed=1)
    states = [numbers(BATCH, size), numbers(BATCH, UNITS)]
    dstates = [numbers(BATCH, size, seed=2), numbers(BATCH, UNITS, seed=3)]
    (y, *last), saved = layer.forward(x, *states, lengths=lengths)
    gradients = layer.backward((dy, *dstates), saved)

    x_t, states_t = tensor(x), [tensor(state) for state in states]
    y_t, last_t = run_torch(cell, x_t, states_t, lengths, backwards)
    torch.autograd.backward([y_t, *last_t], [tensor(array, False) for array in (dy, *dstates)])
    for ours, theirs in (
        (y, y_t),
        *zip(last, last_t, strict=True),
        *zip(gradients, [x_t.grad, *(one.grad for one in states_t)], strict=True),
        (layer.w_x.grad, cell.weight_ih_l0.grad.T),
        (layer.w_h.grad, cell.weight_hh_l0.grad.T),
        (layer.w_p.grad, cell.weight_hr_l0.grad.T),
        (layer.b.grad, cell.bias_ih_l0.grad),
    ):
        equal("LSTM, projection", ours, theirs)


@backends
@ragged
def test_a_stack_of_cells_is_modules_one_after_another(equal, backend, lengths):
    layer = Recurrent(StackedCells(LSTMCell(UNITS), GRUCell(UNITS), Dense(2)), return_sequences=True)
    layer.build((None, None, FEATURES), backend=backend, dtype="float64", seed=0)
    below, above, head = filled(layer).cell.cells
    first = copied(below, torch.nn.LSTM(FEATURES, UNITS, batch_first=True, dtype=torch.float64), "_l0")
    second = copied(above, torch.nn.GRU(UNITS, UNITS, batch_first=True, dtype=torch.float64), "_l0")
    w, b = tensor(head.w.numpy()), tensor(head.b.numpy())
    x, dy = numbers(BATCH, TIME, FEATURES), numbers(BATCH, TIME, 2, seed=1)
    y, saved = layer.forward(x, lengths=lengths)
    dx = layer.backward(dy, saved)

    x_t = tensor(x)
    middle, _ = run_torch(second, run_torch(first, x_t, None, lengths)[0], None, lengths)
    valid = (
        torch.ones(BATCH, TIME, 1)
        if lengths is None
        else torch.arange(TIME)[None, :, None] < torch.tensor(lengths).reshape(-1, 1, 1)
    )
    y_t = (middle @ w + b) * valid
    y_t.backward(tensor(dy, False))
    for ours, theirs in (
        (y, y_t),
        (dx, x_t.grad),
        (below.w_x.grad, first.weight_ih_l0.grad.T),
        (above.w_h.grad, second.weight_hh_l0.grad.T),
        (head.w.grad, w.grad),
        (head.b.grad, b.grad),
    ):
        equal("StackedCells", ours, theirs)


# Steps of one row, of x (features,) and the states, by names of the parameters.


def simple_rnn(p, mask, x, h):
    return (torch.tanh(x @ p["w_x"] + (h * mask) @ p["w_h"] + p["b"]),)


def lstm(p, mask, x, h, c, a=None):
    a = x @ p["w_x"] + (h * mask) @ p["w_h"] + p["b"] if a is None else a
    i, f, g, o = a.chunk(4, -1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    squashed = torch.tanh(c if "scale_c" not in p else F.layer_norm(c, c.shape, p["scale_c"], p["shift_c"]))
    return torch.sigmoid(o) * squashed, c


def gru(p, mask, x, h):
    a, product = x @ p["w_x"] + p["b"], (h * mask) @ p["w_h"]
    r, z = torch.sigmoid(a + product)[: 2 * UNITS].chunk(2, -1)
    return ((1 - z) * torch.tanh(a[2 * UNITS :] + r * (product[2 * UNITS :] + p["b_h"])) + z * h,)


def layer_norm_lstm(p, mask, x, h, c):
    a = F.layer_norm(x @ p["w_x"], (4 * UNITS,), p["scale_x"])
    return lstm(p, mask, x, h, c, a + F.layer_norm((h * mask) @ p["w_h"], (4 * UNITS,), p["scale_h"]) + p["b"])


def layer_norm_gru(p, mask, x, h):
    two = 2 * UNITS

    def parts(a, scale):
        return F.layer_norm(a[:two], (two,), scale[:two]), F.layer_norm(a[two:], (UNITS,), scale[two:])

    (x_gates, x_new), (h_gates, h_new) = parts(x @ p["w_x"], p["scale_x"]), parts((h * mask) @ p["w_h"], p["scale_h"])
    r, z = torch.sigmoid(x_gates + h_gates + p["b"][:two]).chunk(2, -1)
    return ((1 - z) * torch.tanh(x_new + p["b"][two:] + r * (h_new + p["b_h"])) + z * h,)


STEPS = {
    SimpleRNN: simple_rnn,
    LSTM: lstm,
    GRU: gru,
    LayerNormLSTM: layer_norm_lstm,
    LayerNormGRU: layer_norm_gru,
}


@backends
@ragged
@pytest.mark.parametrize("backwards", [False, True], ids=["forwards", "backwards"])
@pytest.mark.parametrize("rate", [0.0, 0.4], ids=["whole", "dropped"])
@pytest.mark.parametrize("kind", STEPS)
def test_each_equation_step_by_step(equal, kind, rate, backend, lengths, backwards):
    layer = kind(UNITS, recurrent_dropout=rate, return_sequences=True, return_state=True, go_backwards=backwards)
    count = len(layer.state_sizes)
    layer.build((None, None, FEATURES), *[(None, UNITS)] * count, backend=backend, dtype="float64", seed=0)
    filled(layer)
    x, dy = numbers(BATCH, TIME, FEATURES), numbers(BATCH, TIME, UNITS, seed=1)
    states = [numbers(BATCH, UNITS, seed=index) for index in range(count)]
    dstates = [numbers(BATCH, UNITS, seed=5 + index) for index in range(count)]
    mask = np.ones((BATCH, UNITS))
    with fixed_draws():
        if rate:
            mask = layer.state_dropout.keep_mask((BATCH, UNITS), rate) / (1 - rate)
            assert set(np.unique(mask)) == {0, 1 / (1 - rate)}
        (y, *last), saved = layer.forward(x, *states, lengths=lengths)
    gradients = layer.backward((dy, *dstates), saved)

    p = {name: tensor(parameter.numpy()) for name, parameter in layer.named_parameters().items()}
    x_t, states_t = tensor(x), [tensor(state) for state in states]
    full = np.full(BATCH, TIME) if lengths is None else lengths
    read = flipped(x_t, full) if backwards else x_t
    every, ends = [], []
    for row in range(BATCH):
        own, outputs = [state[row] for state in states_t], []
        for t in range(full[row]):
            own = STEPS[kind](p, tensor(mask[row], False), read[row, t], *own)
            outputs.append(own[0])
        every.append(torch.cat([torch.stack(outputs), torch.zeros(TIME - full[row], UNITS, dtype=torch.float64)]))
        ends.append(own)
    y_t = torch.stack(every)
    y_t = flipped(y_t, full) if backwards else y_t
    last_t = [torch.stack(own) for own in zip(*ends, strict=True)]
    torch.autograd.backward([y_t, *last_t], [tensor(array, False) for array in (dy, *dstates)])
    part = f"{kind.__name__}{', recurrent dropout' if rate else ''}"
    for ours, theirs in (
        (y, y_t),
        *zip(last, last_t, strict=True),
        *zip(gradients, [x_t.grad, *(one.grad for one in states_t)], strict=True),
        *((parameter.grad, p[name].grad) for name, parameter in layer.named_parameters().items()),
    ):
        equal(part, ours, theirs)
