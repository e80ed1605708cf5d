"""Layers with a state from step to step, in PyTorch: its own cells, in a loop over the steps of a single row."""

import torch

from lamina import layers
from lamina.kinds.recurrent import Recurrent
from tests.parity.twin_rows import Rows, as_tuple, each_row, expresses

__all__ = ["gru", "ind_rnn", "lru", "lstm", "min_gru", "min_lstm", "recurrent_layer", "simple_rnn", "slstm"]


def recurrent_layer(step_of):
    """Make a function over rows of one that returns a layer's step: of x_t (1, features) and a tuple of states."""

    @each_row
    def run_row(run, layer, x, *states):
        step = step_of(run, layer)
        states = states or tuple(x.new_zeros(1, size) for size in layer.state_sizes)
        outputs = []
        for t in reversed(range(x.shape[1])) if layer.go_backwards else range(x.shape[1]):
            states = step(x[:, t], states)
            outputs.append(states[0])
        if layer.go_backwards:  # they stay with the steps they belong to
            outputs.reverse()
        if layer.return_sequences:
            y = torch.stack(outputs, 1) if outputs else x.new_zeros(1, 0, layer.state_sizes[0])
        else:
            y = states[0]
        return (y, *states) if layer.return_state else y

    return run_row


def _transposed(run, *parameters):
    return tuple(run.of(parameter).T for parameter in parameters)


@recurrent_layer
def simple_rnn(run, layer):
    w_x, w_h = _transposed(run, layer.w_x, layer.w_h)
    b = run.of(layer.b)
    zeros = None if b is None else torch.zeros_like(b)
    cell = {"tanh": torch.rnn_tanh_cell, "relu": torch.rnn_relu_cell}[layer.activation]
    return lambda x, states: (cell(x, *states, w_x, w_h, b, zeros),)


@recurrent_layer
def lstm(run, layer):
    w_x, w_h = _transposed(run, layer.w_x, layer.w_h)
    b = run.of(layer.b)
    zeros = None if b is None else torch.zeros_like(b)
    return lambda x, states: torch.lstm_cell(x, states, w_x, w_h, b, zeros)


@recurrent_layer
def gru(run, layer):
    b = run.of(layer.b)
    if layer.reset_after:
        w_x, w_h = _transposed(run, layer.w_x, layer.w_h)
        # torch has two biases for each gate: of r and z they add up, and ours is the first.
        b_h = None if b is None else torch.cat([b.new_zeros(2 * layer.units), run.of(layer.b_h)])
        return lambda x, states: (torch.gru_cell(x, *states, w_x, w_h, b, b_h),)
    w_x, w_h = run.of(layer.w_x), run.of(layer.w_h)
    gates, candidate = w_h[:, : 2 * layer.units], w_h[:, 2 * layer.units :]

    def step(x, states):
        """Reset the state before the product, as the paper has it; torch has no such cell."""
        (h,) = states
        a = x @ w_x if b is None else x @ w_x + b
        r, z = torch.sigmoid(a[:, : 2 * layer.units] + h @ gates).chunk(2, -1)
        n = torch.tanh(a[:, 2 * layer.units :] + (r * h) @ candidate)
        return ((1 - z) * n + z * h,)

    return step


def affine(run, layer, x):
    """Return x w_x + b, its gates apart."""
    a = x @ run.of(layer.w_x)
    b = run.of(layer.b)
    return (a if b is None else a + b).chunk(layer.gates, -1)


@recurrent_layer
def min_gru(run, layer):
    def step(x, states):
        z, candidate = affine(run, layer, x)
        return (torch.lerp(states[0], candidate, torch.sigmoid(z)),)

    return step


@recurrent_layer
def min_lstm(run, layer):
    def step(x, states):
        i, f, candidate = affine(run, layer, x)
        i, f = torch.sigmoid(i), torch.sigmoid(f)
        return (f / (f + i) * states[0] + i / (f + i) * candidate,)

    return step


@recurrent_layer
def ind_rnn(run, layer):
    f, w_h = {"tanh": torch.tanh, "relu": torch.relu}[layer.activation], run.of(layer.w_h)
    return lambda x, states: (f(affine(run, layer, x)[0] + w_h * states[0]),)


@recurrent_layer
def lru(run, layer):
    """Take complex numbers as torch has them."""
    n, p, gain = run.of(layer.eigenvalues).exp().chunk(3)
    turn = torch.polar(torch.exp(-n), p)
    w_b, w_c = run.of(layer.w_b), run.of(layer.w_c)
    half = layer.units
    entering = torch.complex(w_b[:, :half], w_b[:, half:]) * gain
    leaving = torch.complex(w_c[:half], -w_c[half:])

    def step(x, states):
        s = torch.complex(states[1][:, :half], states[1][:, half:]) * turn + x.to(turn.dtype) @ entering
        return (s @ leaving).real + x @ run.of(layer.w_d), torch.cat([s.real, s.imag], -1)

    return step


@recurrent_layer
def slstm(run, layer):
    w_h = run.of(layer.w_h).chunk(4, -1)

    def step(x, states):
        h, c, n, m = states
        i, f, z, o = (a + h @ w for a, w in zip(affine(run, layer, x), w_h, strict=True))
        f = f if layer.forget == "exp" else torch.nn.functional.logsigmoid(f)
        scale = torch.where(n == 0, i, torch.maximum(f + m, i))
        i, f = torch.exp(i - scale), torch.exp(f + m - scale)
        c, n = f * c + i * torch.tanh(z), f * n + i
        return torch.sigmoid(o) * c / n, c, n, scale

    return step


def recurrent(run, layer, x, *states):
    """Run a cell of the user's, which is expressed as a layer is, on all rows that have a step, side by side.

    Each is alone still, but for a `BatchNorm` within the cell, whose rows these are in training.
    """
    ends = [row.shape[1] for row in x.each]
    starts = [rows.each for rows in states] or [
        [row.new_zeros(1, size) for row in x.each] for size in layer.state_sizes
    ]
    last = [list(each) for each in starts]
    outputs = [[] for _ in ends]
    steps = range(max(ends, default=0))
    for t in reversed(steps) if layer.go_backwards else steps:
        places = [place for place, end in enumerate(ends) if end > t]
        taken = [[x.each[place][:, t] for place in places], *[[each[place] for place in places] for each in last]]
        with run.among(places):
            given = as_tuple(run(layer.cell, *[Rows(tuple(each), (False,) * len(each)) for each in taken]))
        for own, rows in zip(last, given, strict=True):
            for place, row in zip(places, rows.each, strict=True):
                own[place] = row
        for place in places:
            outputs[place].append(last[0][place])
    full = (False,) * len(ends)
    states = tuple(Rows(tuple(each), full) for each in last)
    y = states[0]
    if layer.return_sequences:
        every = [one[::-1] if layer.go_backwards else one for one in outputs]
        none = [row.new_zeros(1, 0, layer.state_sizes[0]) for row in x.each]
        y = Rows(tuple(torch.stack(one, 1) if one else zero for one, zero in zip(every, none, strict=True)), x.cut)
    return (y, *states) if layer.return_state else y


expresses(layers.SimpleRNN)(simple_rnn)
expresses(layers.LSTM)(lstm)
expresses(layers.GRU)(gru)
expresses(layers.MinGRU)(min_gru)
expresses(layers.MinLSTM)(min_lstm)
expresses(layers.IndRNN)(ind_rnn)
expresses(layers.LRU)(lru)
expresses(layers.SLSTM)(slstm)
expresses(Recurrent)(recurrent)
