"""What NumPy's sLSTM does step by step on the way forward, and how its pass is laid out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from lamina.backends.arrays import Array
from lamina.backends.generic.slstm import MOST
from lamina.backends.numpy.products import in_blocks, in_pieces, weight_pieces
from lamina.backends.numpy.reading_order import Run

__all__ = ["BLOCKS", "GATES", "both_after", "gate_weights", "linear_steps", "peak", "scaled_steps"]

# A stack's blocks are the gates f, o, z, i, then i z (in scaled steps log f) and c / n: so that what is of one kind
# lies together, and (i, i z) as (n, c), to which it is added.
GATES = np.array([1, 3, 2, 0])  # in the parameters i, f, z, o
BLOCKS = 6
_SIGMOIDS, _SQUASHED, _ADDED = slice(0, 2), slice(0, 3), slice(3, 5)


def both_after(run: Run, slabs: Array) -> Array:
    """Return the blocks that a run's steps write in two slabs (2, batch + rows, units): (steps, 2, rows, units)."""
    stop = run.start + run.stop - run.first
    blocks: Array = slabs[:, run.start : stop].reshape(2, run.steps, run.number, -1).swapaxes(0, 1)
    return blocks


def gate_weights(stack: Array, batch: int) -> Array:
    """Return (4, units, units) as steps take it: side by side for one row, which one quick product serves, or cut."""
    if batch > 1:
        return weight_pieces(stack, batch)
    return np.ascontiguousarray(stack.swapaxes(0, 1).reshape(len(stack[0]), -1))


def _products(run: Run, h: Array, w_state: Array, product: Array) -> tuple[Any, Iterator[Array], Array]:
    """Return a product, what each step multiplies with the weights, and where the results go."""
    before, after = run.first_before(h), run.after(h)
    if w_state.ndim == 2:
        return np.ndarray.dot, iter([before, *after[:-1]]), product.reshape(1, -1)
    return np.matmul, iter([in_blocks(before, w_state), *in_blocks(after, w_state)[:-1]]), in_pieces(product, w_state)


def linear_steps(stacks: Array, run: Run, h: Array, nc: Array, w_state: Array, room: Array) -> None:
    """Run consecutive steps that read the same rows, with one m for all of them.

    Parameters
    ----------
    stacks : (steps, 6, rows, units)
        On entry x w_x + b of the gates f, o, z, i, half of it for f and o, and m taken off for i; on return f, o, z,
        i / exp(m), i z / exp(m) and c / n.
    run : Run
    h : slab
        Written.
    nc : (2, batch + rows, units)
        The slabs of n and c, divided by exp(m). Written.
    w_state : array
        w_h of the gates, half of it for f and o, from `gate_weights`.
    room : array of 4 rows units elements or more
        Overwritten.
    """
    rows, units = stacks.shape[2:]
    half = np.asarray(0.5, stacks.dtype)
    product = room[: 4 * rows * units].reshape(4, rows, units)
    multiplied, lefts, pieces = _products(run, h, w_state, product)
    add, multiply, divide, exp, tanh = np.add, np.multiply, np.divide, np.exp, np.tanh
    before = nc[:, run.previous : run.previous + rows]
    each = zip(
        stacks[:, :4], stacks[:, _SQUASHED], stacks[:, _SIGMOIDS], stacks[:, _ADDED], stacks, lefts,
        both_after(run, nc), run.after(h), strict=True,
    )  # fmt: skip
    for gates, squashed, sigmoids, added, stack, left, after, h_after in each:
        f, o, z, i, by_i, average = stack
        multiplied(left, w_state, pieces)
        add(gates, product, gates)
        tanh(squashed, squashed)
        exp(i, i)
        multiply(sigmoids, half, sigmoids)
        add(sigmoids, half, sigmoids)
        multiply(i, z, by_i)
        multiply(before, f, after)
        add(after, added, after)
        n, c = after
        divide(c, n, average)
        multiply(o, average, h_after)
        before = after


def scaled_steps(
    stacks: Array, run: Run, h: Array, nc: Array, m: Array, shift: Array | None, w_state: Array, room: Array, sigmoid: bool
) -> None:
    """Run consecutive steps that read the same rows, m as large as it must be at each.

    Parameters
    ----------
    stacks : (steps, 6, rows, units)
        As `linear_steps`, but with all of x w_x + b for f and i; on return f and i divided by what m says, and log f
        in place of i z (with ``sigmoid``; else nothing).
    run, h, nc, room
        As `linear_steps`.
    m : (rows, units)
        Of the step before on entry, and of the last one on return.
    shift : (rows, units) or None
        What c and n before the first step are divided by is exp(m + shift).
    w_state : array
        w_h of the gates, half of it for o, from `gate_weights`.
    sigmoid : bool
        Whether the forget gate is one; else it is exponential.
    """
    rows, units = stacks.shape[2:]
    half, zero = np.asarray(0.5, stacks.dtype), np.zeros((), stacks.dtype)
    product = room[: 4 * rows * units].reshape(4, rows, units)
    written = product[0]  # free again once the product has been added
    multiplied, lefts, pieces = _products(run, h, w_state, product)
    add, subtract, multiply, exp, tanh = np.add, np.subtract, np.multiply, np.exp, np.tanh
    before = nc[:, run.previous : run.previous + rows]
    # Only before a row's first step there may be nothing to forget.
    empty = before[0] == 0 if run.previous == 0 else None
    for stack, left, after, h_after in zip(stacks, lefts, both_after(run, nc), run.after(h), strict=True):
        f, o, z, i, log_f, average = stack
        gates, exponents = stack[:4], stack[0:4:3]
        multiplied(left, w_state, pieces)
        add(gates, product, gates)
        tanh(stack[1:3], stack[1:3])
        multiply(o, half, o)
        add(o, half, o)
        if sigmoid:  # log f = min(a, 0) - log(1 + exp(-|a|))
            np.absolute(f, written)
            np.negative(written, written)
            exp(written, written)
            np.log1p(written, written)
            np.minimum(f, zero, out=f)
            subtract(f, written, log_f)
            add(log_f, m, f)
        else:
            add(f, m, f)
        np.maximum(f, i, out=m)
        if empty is not None:
            np.copyto(m, i, where=empty)
        if shift is not None:
            add(f, shift, f)
            shift = None
        subtract(exponents, m, exponents)
        if empty is not None:
            np.minimum(f, np.asarray(MOST, f.dtype), out=f)
            empty = None
        exp(exponents, exponents)
        multiply(before, f, after)
        n, c = after
        add(n, i, n)
        multiply(i, z, written)
        add(c, written, c)
        np.divide(c, n, average)
        multiply(o, average, h_after)
        before = after


def peak(f: Array, i: Array, before: Array) -> Array:
    """Return p after some steps of p = max(f p, i): where m is the same for all, exp(m) of each step over that.

    Parameters
    ----------
    f, i : (steps, rows, units)
    before : (rows, units)
    """
    while len(f) > 1:
        if len(f) % 2:
            before = np.maximum(f[0] * before, i[0])
            f, i = f[1:], i[1:]
        # Two steps are one: of both factors, and of what the first adds, passed on, beside what the second does.
        f, i = f[1::2] * f[::2], np.maximum(f[1::2] * i[::2], i[1::2])
    return np.maximum(f[0] * before, i[0])
