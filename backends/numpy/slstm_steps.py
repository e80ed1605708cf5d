"""What NumPy's sLSTM does step by step on the way forward, and how its pass is laid out."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from typing import Any

import numpy as np

from lamina.backends.arrays import Array
from lamina.backends.generic.slstm import MOST
from lamina.backends.numpy.products import in_blocks, in_pieces, weight_pieces
from lamina.backends.numpy.reading_order import Run

__all__ = ["BLOCKS", "GATES", "gate_weights", "linear_steps", "peak", "scaled_steps"]

# A stack's blocks are the gates f, o, z, i: so that what is of one kind lies together.
GATES = np.array([1, 3, 2, 0])  # in the parameters i, f, z, o
BLOCKS = 4
_FEW = 512  # below so many numbers, what a call costs is more than what it does
_SIGMOIDS, _SQUASHED = slice(0, 2), slice(0, 3)


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


def linear_steps(stacks: Array, run: Run, h: Array, c: Array, n: Array, w_state: Array, room: Array) -> None:
    """Run consecutive steps that read the same rows, with one m for all of them.

    Parameters
    ----------
    stacks : (steps, 4, rows, units)
        On entry x w_x + b of the gates f, o, z, i, half of it for f and o, and m taken off for i; on return f, o, z
        and i / exp(m).
    run : Run
    h, c, n : slabs
        Written; c and n are divided by exp(m).
    w_state : array
        w_h of the gates, half of it for f and o, from `gate_weights`.
    room : array of 4 rows units elements or more
        Overwritten.
    """
    rows, units = stacks.shape[2:]
    half = np.asarray(0.5, stacks.dtype)
    product = room[: 4 * rows * units].reshape(4, rows, units)
    written = product[0]  # free again once the product has been added
    multiplied, lefts, pieces = _products(run, h, w_state, product)
    add, multiply, divide, exp, tanh = np.add, np.multiply, np.divide, np.exp, np.tanh
    c_before, n_before = run.first_before(c), run.first_before(n)
    gates = stacks.swapaxes(0, 1)
    # Views by iterating, and calls on whole blocks one by one: each is quicker than slices and than broadcasting.
    each = zip(
        stacks, stacks[:, _SQUASHED], stacks[:, _SIGMOIDS], *gates, lefts,
        run.after(c), run.after(n), run.after(h), strict=True,
    )  # fmt: skip
    for stack, squashed, sigmoids, f, o, z, i, left, c_after, n_after, h_after in each:
        multiplied(left, w_state, pieces)
        add(stack, product, stack)
        tanh(squashed, squashed)
        exp(i, i)
        multiply(sigmoids, half, sigmoids)
        add(sigmoids, half, sigmoids)
        multiply(i, z, written)
        multiply(f, c_before, c_after)
        multiply(f, n_before, n_after)
        add(c_after, written, c_after)
        add(n_after, i, n_after)
        divide(c_after, n_after, h_after)
        multiply(h_after, o, h_after)
        c_before, n_before = c_after, n_after


def scaled_steps(
    stacks: Array,
    run: Run,
    h: Array,
    c: Array,
    n: Array,
    m: Array,
    shift: Array | None,
    w_state: Array,
    room: Array,
    logs: Array | None,
) -> None:
    """Run consecutive steps that read the same rows, m as large as it must be at each.

    Parameters
    ----------
    stacks : (steps, 4, rows, units)
        As `linear_steps`, but with all of x w_x + b for f and i; on return f and i divided by what m says.
    run, h, c, n, room
        As `linear_steps`.
    m : (rows, units)
        Of the step before on entry, and of the last one on return.
    shift : (rows, units) or None
        What c and n before the first step are divided by is exp(m + shift).
    w_state : array
        w_h of the gates, half of it for o, from `gate_weights`.
    logs : (steps, rows, units) or None
        log f is written into it where the forget gate is a sigmoid; with None it is exponential.
    """
    rows, units = stacks.shape[2:]
    half, zero = np.asarray(0.5, stacks.dtype), np.zeros((), stacks.dtype)
    product = room[: 4 * rows * units].reshape(4, rows, units)
    written = product[0]  # free again once the product has been added
    multiplied, lefts, pieces = _products(run, h, w_state, product)
    add, subtract, multiply, exp, tanh = np.add, np.subtract, np.multiply, np.exp, np.tanh
    c_before, n_before = run.first_before(c), run.first_before(n)
    # Only before a row's first step there may be nothing to forget.
    empty = n_before == 0 if run.previous == 0 else None
    afters = run.after(c), run.after(n), run.after(h)
    each = zip(stacks, lefts, repeat(None) if logs is None else logs, *afters, strict=False)
    for stack, left, log_f, c_after, n_after, h_after in each:
        f, o, z, i = stack
        exponents = stack[::3]
        multiplied(left, w_state, pieces)
        add(stack, product, stack)
        tanh(stack[1:3], stack[1:3])
        multiply(o, half, o)
        add(o, half, o)
        if log_f is not None:  # min(a, 0) - log(1 + exp(-|a|))
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
        multiply(i, z, written)
        multiply(f, c_before, c_after)
        multiply(f, n_before, n_after)
        add(c_after, written, c_after)
        add(n_after, i, n_after)
        np.divide(c_after, n_after, h_after)
        multiply(h_after, o, h_after)
        c_before, n_before = c_after, n_after


def peak(f: Array, i: Array, p: Array) -> None:
    """Make p what it is after some steps of p = max(f p, i): where m is one for all, exp(m) of a step over that.

    Parameters
    ----------
    f, i : (steps, rows, units)
    p : (rows, units)
    """
    while len(f) > 1 and p.size < _FEW:
        if len(f) % 2:
            np.maximum(f[0] * p, i[0], out=p)
            f, i = f[1:], i[1:]
        # Two steps are one: of both factors, and of what the first adds, passed on, beside what the second does.
        f, i = f[1::2] * f[::2], np.maximum(f[1::2] * i[::2], i[1::2])
    for own, new in zip(f, i, strict=True):
        np.multiply(p, own, p)
        np.maximum(p, new, out=p)
