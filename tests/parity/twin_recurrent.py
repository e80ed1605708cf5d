"""Layers with a state from step to step, in PyTorch: its own cells, in a loop over the steps of a single row."""

import torch

from lamina import layers
from lamina.kinds.cell import Cell, Recurrent, own_output
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


def state_mask(run, layer):
    """Return what a row's state is multiplied by where the gates see it: one mask for all steps."""
    dropout = getattr(layer, "state_dropout", None)
    if dropout is None or not run.training:
        return 1
    return run.keep_mask(dropout, (1, layer.state_sizes[0]), dropout.rate).to(torch.float64) / (1 - dropout.rate)


# The steps: of x (1, features) and the states, to the states.


def simple_rnn_step(run, layer):
    w_x, w_h = _transposed(run, layer.w_x, layer.w_h)
    b, mask = run.of(layer.b), state_mask(run, layer)
    zeros = None if b is None else torch.zeros_like(b)
    cell = {"tanh": torch.rnn_tanh_cell, "relu": torch.rnn_relu_cell}[layer.activation]
    return lambda x, states: (cell(x, states[0] * mask, w_x, w_h, b, zeros),)


def lstm_step(run, layer):
    w_x, w_h = _transposed(run, layer.w_x, layer.w_h)
    b, mask = run.of(layer.b), state_mask(run, layer)
    if getattr(layer, "w_p", None) is None:
        zeros = None if b is None else torch.zeros_like(b)
        return lambda x, states: torch.lstm_cell(x, (states[0] * mask, states[1]), w_x, w_h, b, zeros)

    def step(x, states):
        h, c = states
        i, f, g, o = torch.nn.functional.linear(x, w_x, b).add((h * mask) @ w_h.T).chunk(4, -1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return (torch.sigmoid(o) * torch.tanh(c)) @ run.of(layer.w_p), c

    return step


def normalized(a, scale, epsilon):
    return torch.nn.functional.layer_norm(a, a.shape[-1:], scale, None, epsilon)


def layer_norm_lstm_step(run, layer):
    mask, b = state_mask(run, layer), run.of(layer.b)
    scale_x, scale_h, scale_c = (run.of(one) for one in (layer.scale_x, layer.scale_h, layer.scale_c))

    def step(x, states):
        h, c = states
        a = normalized(x @ run.of(layer.w_x), scale_x, layer.epsilon)
        a = a + normalized((h * mask) @ run.of(layer.w_h), scale_h, layer.epsilon)
        i, f, g, o = (a if b is None else a + b).chunk(4, -1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(normalized(c, scale_c, layer.epsilon) + run.of(layer.shift_c)), c

    return step


def layer_norm_gru_step(run, layer):
    mask, b, b_h = state_mask(run, layer), run.of(layer.b), run.of(layer.b_h)
    gates = 2 * layer.units

    def parts(a, scale):
        scale = run.of(scale)
        first = normalized(a[:, :gates], scale[:gates], layer.epsilon)
        return first, normalized(a[:, gates:], scale[gates:], layer.epsilon)

    def step(x, states):
        (h,) = states
        x_gates, x_new = parts(x @ run.of(layer.w_x), layer.scale_x)
        h_gates, h_new = parts((h * mask) @ run.of(layer.w_h), layer.scale_h)
        if b is not None:
            x_gates, x_new, h_new = x_gates + b[:gates], x_new + b[gates:], h_new + b_h
        r, z = torch.sigmoid(x_gates + h_gates).chunk(2, -1)
        return ((1 - z) * torch.tanh(x_new + r * h_new) + z * h,)

    return step


def gru_step(run, layer):
    mask = state_mask(run, layer)
    b = run.of(layer.b)
    if layer.reset_after:
        w_x, w_h = _transposed(run, layer.w_x, layer.w_h)
        # torch has two biases for each gate: of r and z they add up, and ours is the first.
        b_h = None if b is None else torch.cat([b.new_zeros(2 * layer.units), run.of(layer.b_h)])
        if isinstance(mask, int):
            return lambda x, states: (torch.gru_cell(x, *states, w_x, w_h, b, b_h),)

        def masked(x, states):
            """Let the gates see the state through the mask, and z carry it over whole; torch's cell does not."""
            (h,) = states
            a, product = (torch.nn.functional.linear(*one) for one in ((x, w_x, b), (h * mask, w_h, b_h)))
            r, z = torch.sigmoid(a + product)[:, : 2 * layer.units].chunk(2, -1)
            n = torch.tanh(a[:, 2 * layer.units :] + r * product[:, 2 * layer.units :])
            return ((1 - z) * n + z * h,)

        return masked
    w_x, w_h = run.of(layer.w_x), run.of(layer.w_h)
    gates, candidate = w_h[:, : 2 * layer.units], w_h[:, 2 * layer.units :]

    def step(x, states):
        """Reset the state before the product, as the paper has it; torch has no such cell."""
        (h,) = states
        a = x @ w_x if b is None else x @ w_x + b
        taken = h * mask
        r, z = torch.sigmoid(a[:, : 2 * layer.units] + taken @ gates).chunk(2, -1)
        n = torch.tanh(a[:, 2 * layer.units :] + (r * taken) @ candidate)
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
    output = own_output(layer.cell)  # of a cell whose output is none of its states, the last output stays, or is 0
    starts = [rows.each for rows in states] or [
        [row.new_zeros(1, size) for row in x.each] for size in layer.state_sizes
    ]
    starts = [[row.new_zeros(1, size) for row in x.each] for size in output] + starts
    last = [list(each) for each in starts]
    outputs = [[] for _ in ends]
    steps = range(max(ends, default=0))
    for t in reversed(steps) if layer.go_backwards else steps:
        places = [place for place, end in enumerate(ends) if end > t]
        before = last[len(output) :]
        taken = [[x.each[place][:, t] for place in places], *[[each[place] for place in places] for each in before]]
        with run.among(places):
            given = as_tuple(run(layer.cell, *[Rows(tuple(each), (False,) * len(each)) for each in taken]))
        for own, rows in zip(last, given, strict=True):
            for place, row in zip(places, rows.each, strict=True):
                own[place] = row
        for place in places:
            outputs[place].append(last[0][place])
    full = (False,) * len(ends)
    y, *_ = states = tuple(Rows(tuple(each), full) for each in last)
    if layer.return_sequences:
        every = [one[::-1] if layer.go_backwards else one for one in outputs]
        none = [row.new_zeros(1, 0, (*output, *layer.state_sizes)[0]) for row in x.each]
        y = Rows(tuple(torch.stack(one, 1) if one else zero for one, zero in zip(every, none, strict=True)), x.cut)
    return (y, *states[len(output) :]) if layer.return_state else y


def cell(step_of):
    """Make a function over rows of one that takes one step of a recurrent layer's, as a cell."""

    @each_row
    def run_row(run, cell, x, *states):
        after = step_of(run, cell)(x, states)
        return tuple(after) if len(after) > 1 else after[0]

    return run_row


def stacked_cells(run, stack, x, *states):
    """Run each cell on what the one below it puts out."""
    left, after = list(states), []
    for one in stack.cells:
        count = len(one.state_sizes) if isinstance(one, Cell) else 0
        x, *_ = given = as_tuple(run(one, x, *left[:count]))
        after += given[len(given) - count :] if count else ()
        del left[:count]
    return (x, *after)


simple_rnn, lstm, gru = (recurrent_layer(one) for one in (simple_rnn_step, lstm_step, gru_step))
expresses(layers.SimpleRNN)(simple_rnn)
expresses(layers.LSTM)(lstm)
expresses(layers.GRU)(gru)
expresses(layers.LayerNormLSTM)(recurrent_layer(layer_norm_lstm_step))
expresses(layers.LayerNormGRU)(recurrent_layer(layer_norm_gru_step))
expresses(layers.SimpleRNNCell)(cell(simple_rnn_step))
expresses(layers.LSTMCell)(cell(lstm_step))
expresses(layers.GRUCell)(cell(gru_step))
expresses(layers.StackedCells)(stacked_cells)
expresses(layers.MinGRU)(min_gru)
expresses(layers.MinLSTM)(min_lstm)
expresses(layers.IndRNN)(ind_rnn)
expresses(layers.LRU)(lru)
expresses(layers.SLSTM)(slstm)
expresses(Recurrent)(recurrent)
