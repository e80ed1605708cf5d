"""What NumPy's sLSTM does step by step on the way forward, and how its pass is laid out.

What is carried on is the average a = c / n, and n divided by some exp(m). A step adds its share u = i / n of z to the
average, and keeps 1 - u of what it was: neither depends on m.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from lamina.backends.arrays import Array
from lamina.backends.generic.slstm import MOST
from lamina.backends.numpy.products import in_blocks, in_pieces, weight_pieces
from lamina.backends.numpy.reading_order import Run

__all__ = ["BLOCKS", "GATES", "gate_weights", "linear_steps", "scaled_steps", "stacks_of"]

# A stack's blocks are the gates f, o, i, z: so that what is of one kind lies together.
GATES = np.array([1, 3, 0, 2])  # in the parameters i, f, z, o
BLOCKS = 4
_SIGMOIDS, _EXPONENTIALS = slice(0, 2), slice(0, 3)


def gate_weights(stack: Array, batch: int) -> Array:
    """Return (4, units, units) as steps take it: side by side for one row, which one quick product serves, or cut."""
    if batch > 1:
        return weight_pieces(stack, batch)
    return np.ascontiguousarray(stack.swapaxes(0, 1).reshape(len(stack[0]), -1))


def stacks_of(run: Run, activity: Array) -> Array:
    """Return the stacks of a run, (steps, 4, rows, units), of (rows, 4 units)."""
    return run.of(activity).reshape(run.steps, BLOCKS, run.number, -1)


def _products(run: Run, h: Array, w_state: Array, product: Array) -> tuple[Any, Iterator[Array], Array]:
    """Return a product, what each step multiplies with the weights, and where the results go."""
    before, after = run.first_before(h), run.after(h)
    if w_state.ndim == 2:
        return np.ndarray.dot, iter([before, *after[:-1]]), product.reshape(1, -1)
    return np.matmul, iter([in_blocks(before, w_state), *in_blocks(after, w_state)[:-1]]), in_pieces(product, w_state)


def linear_steps(stacks: Array, run: Run, h: Array, a: Array, n: Array, p: Array, w_state: Array, room: Array) -> None:
    """Run consecutive steps that read the same rows, with one m for all of them.

    Parameters
    ----------
    stacks : (steps, 4, rows, units)
        On entry x w_x + b of the gates f, o, i, z, over log 2 for all but z, over -log 2 for f and o, and m taken off
        for i; on return 1 / f, 1 / o, u and z.
    run : Run
    h, a, n : slabs
        Written; n is divided by exp(m).
    p : (rows, units)
        The largest term of n, before the steps on entry and after them on return.
    w_state : array
        w_h of the gates, as of stacks, from `gate_weights`.
    room : array of 4 rows units elements or more
        Overwritten.
    """
    rows, units = stacks.shape[2:]
    one = np.ones((), stacks.dtype)
    product = room[: 4 * rows * units].reshape(4, rows, units)
    written = product[0]  # free again once the product has been added
    multiplied, lefts, pieces = _products(run, h, w_state, product)
    add, subtract, multiply, divide, exp2, tanh = np.add, np.subtract, np.multiply, np.divide, np.exp2, np.tanh
    maximum = np.maximum
    a_before, n_before = run.first_before(a), run.first_before(n)
    gates = stacks.swapaxes(0, 1)
    # Views by iterating, and calls on whole blocks one by one: each is quicker than slices and than broadcasting.
    each = zip(
        stacks, stacks[:, _EXPONENTIALS], stacks[:, _SIGMOIDS], *gates, lefts,
        run.after(a), run.after(n), run.after(h), strict=True,
    )  # fmt: skip
    for stack, exponentials, sigmoids, f, o, i, z, left, a_after, n_after, h_after in each:
        multiplied(left, w_state, pieces)
        add(stack, product, stack)
        exp2(exponentials, exponentials)  # NumPy takes twice as long for exp
        tanh(z, z)
        add(sigmoids, one, sigmoids)
        divide(n_before, f, n_after)
        add(n_after, i, n_after)
        divide(p, f, p)
        maximum(p, i, out=p)
        divide(i, n_after, i)
        subtract(z, a_before, written)
        multiply(written, i, written)
        add(a_before, written, a_after)
        divide(a_after, o, h_after)
        a_before, n_before = a_after, n_after


def scaled_steps(
    stacks: Array,
    run: Run,
    h: Array,
    a: Array,
    n: Array,
    p: Array,
    m: Array,
    w_state: Array,
    room: Array,
    kept: Array,
    first: Array | None,
    *,
    sigmoid: bool,
) -> None:
    """Run consecutive steps that read the same rows, m as large as it must be at each.

    Parameters
    ----------
    stacks : (steps, 4, rows, units)
        On entry x w_x + b of the gates f, o, i, z, -1 times it for f and o; on return as `linear_steps`, 1 / f being
        infinite where the gate is exponential.
    run, h, a, n, p, w_state, room
        As `linear_steps`.
    m : (rows, units)
        Of the step before on entry, and of the last one on return.
    kept : (steps, rows, units)
        1 - u is written into it, exact also where u is nearly 1.
    first : (rows, units) or None
        The derivative of n after the first step by n before, over n, is written into it.
    sigmoid : bool
        What the forget gate is.
    """
    rows, units = stacks.shape[2:]
    one, zero = (np.asarray(value, stacks.dtype) for value in (1, 0))
    product = room[: 4 * rows * units].reshape(4, rows, units)
    log_f, carried, written = product[:3]  # free again once the product has been added
    multiplied, lefts, pieces = _products(run, h, w_state, product)
    a_before, n_before = run.first_before(a), run.first_before(n)
    # Only before a row's first step there may be nothing to forget.
    empty = n_before == 0 if run.previous == 0 else None
    for stack, left, keep, a_after, n_after, h_after in zip(
        stacks, lefts, kept, run.after(a), run.after(n), run.after(h), strict=True
    ):
        f, o, i, z = stack
        multiplied(left, w_state, pieces)
        np.add(stack, product, stack)
        np.tanh(z, z)
        np.exp(o, o)
        np.add(o, one, o)
        if sigmoid:  # log f = min(a, 0) - log(1 + exp(-|a|)), and f has -a
            np.absolute(f, written)
            np.negative(written, written)
            np.exp(written, written)
            np.log1p(written, written)
            np.maximum(f, zero, out=log_f)
            np.add(log_f, written, log_f)
            np.negative(log_f, log_f)
            np.exp(f, f)
            np.add(f, one, f)
        else:
            np.negative(f, log_f)
            f[...] = np.inf
        np.add(log_f, m, carried)
        np.maximum(carried, i, out=m)
        if empty is not None:
            np.copyto(m, i, where=empty)
        np.subtract(carried, m, carried)
        np.subtract(i, m, i)
        if empty is not None:
            np.minimum(carried, np.asarray(MOST, f.dtype), out=carried)
            empty = None
        np.exp(carried, carried)
        np.exp(i, i)
        np.multiply(carried, n_before, keep)
        np.add(keep, i, n_after)
        np.multiply(p, carried, p)
        np.maximum(p, i, out=p)
        if first is not None:
            np.divide(carried, n_after, first)
            first = None
        np.divide(keep, n_after, keep)
        np.divide(i, n_after, i)
        np.multiply(keep, a_before, a_after)
        np.multiply(i, z, written)
        np.add(a_after, written, a_after)
        np.divide(a_after, o, h_after)
        a_before, n_before = a_after, n_after
