"""What happens to each unit at a step of an LSTM, a GRU or a simple recurrent layer, compiled by Numba.

Each function does at once, element by element, what NumPy's kernels do with one pass through memory after another.
All arrays are contiguous. The file is imported by the backend alone, where Numba is installed.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numba.extending import overload

__all__ = [
    "gru_row",
    "gru_step",
    "gru_step_backward",
    "lstm_row",
    "lstm_step",
    "lstm_step_backward",
    "simple_rnn_row",
    "squash",
]

_HALF, _ONE = np.float32(0.5), np.float32(1)

# tanh x = x P(x^2) / Q(x^2), a minimax fit of the relative error on [0, 9], where float32's tanh reaches 1; in
# float32 it is off by at most 4 units in the last place. A quotient of polynomials is what a compiler can vectorize.
_LARGEST = np.float32(9)
_P0, _P1, _P2 = np.float32(9.999999794770803e-1), np.float32(1.3381024109676914e-1), np.float32(3.4955863354731486e-3)
_P3, _P4 = np.float32(2.0609054412758664e-5), np.float32(1.3354626265251967e-8)
_Q1, _Q2 = np.float32(4.6714339707428226e-1), np.float32(2.587697530445747e-2)
_Q3, _Q4 = np.float32(3.2856319519691113e-4), np.float32(7.776543139385504e-7)

# NaN must stay NaN and infinity be seen: of the liberties of fast arithmetic, only those that leave both alone.
_OPTIONS: Any = {"error_model": "numpy", "fastmath": {"contract", "nsz", "arcp"}}
_compiled = numba.njit(cache=True, nogil=True, **_OPTIONS)


def squash(x: Any) -> Any:
    """Return tanh x; in compiled code of a float32, by a quotient of polynomials."""
    return math.tanh(x)


def _squash32(x: Any) -> Any:
    bounded = _LARGEST if x > _LARGEST else (-_LARGEST if x < -_LARGEST else x)
    square = bounded * bounded
    over = (((_P4 * square + _P3) * square + _P2) * square + _P1) * square + _P0
    under = (((_Q4 * square + _Q3) * square + _Q2) * square + _Q1) * square + _ONE
    y = bounded * over / under
    return _ONE if y > _ONE else (-_ONE if y < -_ONE else y)


@overload(squash, jit_options=_OPTIONS)
def _squash(x: Any) -> Any:
    return _squash32 if x == numba.float32 else squash


@_compiled
def lstm_step(stack: Any, product: Any, c_before: Any, c_after: Any, h_after: Any) -> None:
    """Turn the inputs' part of g, i, f, o and h w_h into g, i, f, o, tanh c, and c and h after the step.

    Parameters
    ----------
    stack : (5, rows, units)
    product : (4, rows, units)
    c_before, c_after, h_after : (rows, units)
    """
    count = c_before.size
    stack, product = stack.reshape(5, count), product.reshape(4, count)
    c_before, c_after, h_after = c_before.reshape(count), c_after.reshape(count), h_after.reshape(count)
    for n in range(count):
        g = squash(stack[0, n] + product[0, n])
        i = _HALF * squash(stack[1, n] + product[1, n]) + _HALF
        f = _HALF * squash(stack[2, n] + product[2, n]) + _HALF
        o = _HALF * squash(stack[3, n] + product[3, n]) + _HALF
        c = f * c_before[n] + i * g
        squashed = squash(c)
        stack[0, n], stack[1, n], stack[2, n], stack[3, n], stack[4, n] = g, i, f, o, squashed
        c_after[n] = c
        h_after[n] = o * squashed


@_compiled
def lstm_step_backward(
    stack: Any, c_before: Any, upstream: Any, product: Any, dc: Any, gradients: Any, first: int
) -> None:
    """Turn the gradients of h and c after a step into those of what g, i, f, o squash, and of c before it.

    Parameters
    ----------
    stack : (5, rows, units)
        g, i, f, o, tanh c.
    c_before, dc : (rows, units)
    upstream : (rows, units), or (0, 0) for none
    product : (4, rows, units)
        What adds up to the gradient of h by the steps after.
    gradients : (5, rows of a chunk, units)
        Written from row ``first`` on, but the last of the five.
    """
    rows, units = dc.shape
    for row in range(rows):
        target = first + row
        for k in range(units):
            dh = (product[0, row, k] + product[1, row, k]) + (product[2, row, k] + product[3, row, k])
            if upstream.shape[0]:
                dh += upstream[row, k]
            g, i, f, o = stack[0, row, k], stack[1, row, k], stack[2, row, k], stack[3, row, k]
            squashed = stack[4, row, k]
            dc_after = dc[row, k] + dh * o * (_ONE - squashed * squashed)
            gradients[0, target, k] = dc_after * i * (_ONE - g * g)
            gradients[1, target, k] = dc_after * g * i * (_ONE - i)
            gradients[2, target, k] = dc_after * c_before[row, k] * f * (_ONE - f)
            gradients[3, target, k] = dh * squashed * o * (_ONE - o)
            dc[row, k] = dc_after * f


@_compiled
def gru_step(stack: Any, product: Any, bias: Any, before: Any, after: Any) -> None:
    """Turn the inputs' part of r, z, n and h w_h into r, z, n, r's product, h - n, and the state after the step.

    Parameters
    ----------
    stack : (5, rows, units)
    product : (3, rows, units)
    bias, before, after : (rows, units)
    """
    count = before.size
    stack, product, bias = stack.reshape(5, count), product.reshape(3, count), bias.reshape(count)
    before, after = before.reshape(count), after.reshape(count)
    for k in range(count):
        r = _HALF * squash(stack[0, k] + product[0, k]) + _HALF
        z = _HALF * squash(stack[1, k] + product[1, k]) + _HALF
        reset = product[2, k] + bias[k]
        n = squash(stack[2, k] + r * reset)
        change = before[k] - n
        stack[0, k], stack[1, k], stack[2, k], stack[3, k], stack[4, k] = r, z, n, reset, change
        after[k] = n + z * change


@_compiled
def gru_step_backward(stack: Any, upstream: Any, product: Any, gradients: Any, first: int) -> None:
    """Turn the gradient of a step's state into those of what n, r, z squash and of r's product.

    Parameters
    ----------
    stack : (5, rows, units)
        r, z, n, r's product, h - n.
    upstream : (rows, units), or (0, 0) for none
    product : (4, rows, units)
        What adds up to the gradient of the state by the steps after. The last of the four is overwritten with what
        reaches the state before not through a product.
    gradients : (4, rows of a chunk, units)
        Written from row ``first`` on.
    """
    rows, units = stack.shape[1:]
    for row in range(rows):
        target = first + row
        for k in range(units):
            dh = (product[0, row, k] + product[1, row, k]) + (product[2, row, k] + product[3, row, k])
            if upstream.shape[0]:
                dh += upstream[row, k]
            r, z, n = stack[0, row, k], stack[1, row, k], stack[2, row, k]
            dn = dh * (_ONE - z) * (_ONE - n * n)
            gradients[0, target, k] = dn
            gradients[1, target, k] = dn * stack[3, row, k] * r * (_ONE - r)
            gradients[2, target, k] = dh * stack[4, row, k] * z * (_ONE - z)
            gradients[3, target, k] = dn * r
            product[3, row, k] = dh * z


@_compiled
def add_product(state: Any, weights: Any, total: Any) -> None:
    """Add state w to a total; for one row as quick as a library, and without the call.

    Parameters
    ----------
    state : (units,)
    weights : (units, gates units)
    total : (gates units,)
    """
    units, columns = weights.shape
    in_fours = units // 4 * 4
    for n in range(0, in_fours, 4):  # four at a time: the total is read and written less often
        a, b, c, d = state[n], state[n + 1], state[n + 2], state[n + 3]
        for k in range(columns):
            total[k] += (a * weights[n, k] + b * weights[n + 1, k]) + (c * weights[n + 2, k] + d * weights[n + 3, k])
    for n in range(in_fours, units):
        for k in range(columns):
            total[k] += state[n] * weights[n, k]


@_compiled
def open_gates(a: Any) -> None:
    """Turn an array (any,) into its logistic sigmoid."""
    for k in range(len(a)):
        a[k] = _HALF * squash(_HALF * a[k]) + _HALF


@_compiled
def lstm_row(projected: Any, weights: Any, hidden: Any, cell: Any, activity: Any) -> None:
    """Run an LSTM over one row.

    Parameters
    ----------
    projected : (steps, 4 units)
        x w_x + b of i, f, g, o; overwritten.
    weights : (units, 4 units)
        w_h.
    hidden, cell : (1 + steps, units)
        The state before the first step, then those after each one, which are written.
    activity : (steps, 5 units)
        Written: g, i, f, o, tanh c.
    """
    steps, units = len(projected), hidden.shape[1]
    for t in range(steps):
        a = projected[t]
        add_product(hidden[t], weights, a)
        open_gates(a[: 2 * units])
        open_gates(a[3 * units :])
        for k in range(2 * units, 3 * units):
            a[k] = squash(a[k])
        activity[t, :units] = a[2 * units : 3 * units]
        activity[t, units : 3 * units] = a[: 2 * units]
        activity[t, 3 * units : 4 * units] = a[3 * units :]
        squashed, after = activity[t, 4 * units :], cell[t + 1]
        for k in range(units):
            after[k] = a[units + k] * cell[t, k] + a[k] * a[2 * units + k]
        for k in range(units):
            squashed[k] = squash(after[k])
        for k in range(units):
            hidden[t + 1, k] = a[3 * units + k] * squashed[k]


@_compiled
def gru_row(projected: Any, weights: Any, bias: Any, hidden: Any, activity: Any) -> None:
    """Run a GRU with ``reset_after`` over one row.

    Parameters
    ----------
    projected : (steps, 3 units)
        x w_x + b of r, z, n.
    weights : (units, 3 units)
        w_h.
    bias : (3 units,)
        What is added to h w_h.
    hidden : (1 + steps, units)
        The state before the first step, then those after each one, which are written.
    activity : (steps, 5 units)
        Written: r, z, n, r's product, h - n.
    """
    steps, units = len(projected), hidden.shape[1]
    product = np.empty_like(bias)
    for t in range(steps):
        product[:] = bias
        add_product(hidden[t], weights, product)
        gates, n, reset = (
            activity[t, : 2 * units],
            activity[t, 2 * units : 3 * units],
            activity[t, 3 * units : 4 * units],
        )
        change, r = activity[t, 4 * units :], activity[t]
        for k in range(2 * units):
            gates[k] = projected[t, k] + product[k]
        open_gates(gates)
        reset[:] = product[2 * units :]
        for k in range(units):
            n[k] = projected[t, 2 * units + k] + r[k] * reset[k]
        for k in range(units):
            n[k] = squash(n[k])
        for k in range(units):
            change[k] = hidden[t, k] - n[k]
        for k in range(units):
            hidden[t + 1, k] = n[k] + gates[units + k] * change[k]


@_compiled
def simple_rnn_row(weights: Any, hidden: Any) -> None:
    """Run a simple recurrent layer over one row.

    Parameters
    ----------
    weights : (units, units)
        w_h.
    hidden : (1 + steps, units)
        The state before the first step, then x w_x + b of each one, which becomes the state after it.
    """
    steps, units = len(hidden) - 1, hidden.shape[1]
    for t in range(steps):
        a = hidden[t + 1]
        add_product(hidden[t], weights, a)
        for k in range(units):
            a[k] = squash(a[k])
