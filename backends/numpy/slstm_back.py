"""What NumPy's sLSTM does step by step on the way back."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, repeat
from typing import Any

import numpy as np

from lamina.backends.arrays import Array
from lamina.backends.numpy.products import in_blocks, in_pieces, weight_pieces
from lamina.backends.numpy.reading_order import Run
from lamina.backends.numpy.slstm_steps import BLOCKS

__all__ = ["slope_blocks", "slopes_of", "steps_back", "through_forget", "weights_back"]


def weights_back(stack: Array, batch: int) -> Array:
    """Return w_h of the gates i, f, z, o, each transposed, as steps take it: one below the other for one row."""
    return weight_pieces(stack, batch) if batch > 1 else stack.reshape(-1, stack.shape[2])


def slope_blocks(room: Array, rows: int, batch: int) -> Array:
    """Return (4, rows, units) of some room; of one row, with the blocks of each step side by side."""
    return room.reshape(4, rows, -1) if batch > 1 else room.reshape(rows, 4, -1).swapaxes(0, 1)


def slopes_of(stacks: Array, h: Array, logs: Array | None, sigmoid: bool, out: Array, *, keep: bool) -> Array | None:
    """Write what the gradients of what i, f, z and o squash are multiples of, and whose place they take.

    Parameters
    ----------
    stacks : (steps, 4, rows, units)
        From `linear_steps`, or from `scaled_steps`.
    h : (steps, rows, units)
        After each step.
    logs : (steps, rows, units) or None
        log f where f is divided by what m says.
    sigmoid : bool
    out : (4, steps, rows, units)
        The first block stays as it is.
    keep : bool

    Returns
    -------
    (steps, rows, units) or None
        With ``keep`` the slopes of log f, None where they are 1.
    """
    f, o, z, i = stacks.swapaxes(0, 1)
    multiply, subtract = np.multiply, np.subtract
    slope = None
    if sigmoid:  # sigmoid'(a) / sigmoid(a) = 1 - sigmoid(a)
        slope = subtract(1, f if logs is None else np.exp(logs), out=None if keep else out[1])
        multiply(slope, f, out=out[1])
    else:
        out[1] = f
    multiply(z, z, out=out[2])
    subtract(1, out[2], out=out[2])
    multiply(out[2], i, out=out[2])
    subtract(1, o, out=out[3])
    multiply(out[3], h, out=out[3])
    return slope if keep else None


def steps_back(
    slopes: Array,
    stacks: Array,
    before: tuple[Array, Array],
    after: tuple[Array, Array],
    upstream: Array | None,
    carried: tuple[Array, Array, Array],
    w_state_back: Array,
    room: Array,
    scale: Array | None,
    through: tuple[Array, Array | None] | None,
) -> None:
    """Propagate gradients back through consecutive steps that read the same rows.

    Parameters
    ----------
    slopes : (4, steps, rows, units)
        From `slopes_of`; on return the gradients of what i, f, z and o squash.
    stacks : (steps, 4, rows, units)
    before : c and n, (steps, rows, units) each
        Before each step.
    after : h and n, (steps, rows, units) each
    upstream : (steps, rows, units) or None
    carried : dh, dc and -dn, (rows, units) each
        Of the last states on entry, and of the first ones on return.
    w_state_back : array
        From `weights_back`.
    room : array of 4 rows units elements or more
        Overwritten.
    scale : (rows, units) or None
        The gradient of m if c exp(m) and n exp(m) were held as they are: of the last states on entry, and of the
        first ones on return; None is zeros.
    through : (masks, slopes of log f or None), each (steps, rows, units), or None
        Where m is that of the step before and log f; not used without a scale.
    """
    rows, units = slopes.shape[2:]
    dh, dc, dn = carried
    product = room[: 4 * rows * units].reshape(4, rows, units)
    part, other = product[:2]  # free until the product is written
    of_gates = slopes.swapaxes(0, 1)
    one_row = w_state_back.ndim == 2
    lefts = of_gates.reshape(len(of_gates), 1, -1) if one_row else in_blocks(of_gates, w_state_back)
    pieces = dh if one_row else in_pieces(product, w_state_back)
    add, multiply, subtract, divide = np.add, np.multiply, np.subtract, np.divide
    last_first = (each[::-1] for each in (*stacks.swapaxes(0, 1), *before, *after))
    each = zip(
        *slopes[:, ::-1], *last_first, lefts[::-1],
        repeat(None) if upstream is None else upstream[::-1],
        repeat((None, None)) if through is None else _backwards(*through),
        strict=False,
    )  # fmt: skip
    for by_i, by_f, by_z, by_o, f, o, z, i, c, n, h, n_after, left, dh_here, (mask, slope) in each:
        if dh_here is not None:
            add(dh, dh_here, dh)
        multiply(dh, by_o, by_o)
        divide(dh, n_after, part)
        multiply(part, o, other)
        add(dc, other, dc)
        multiply(part, h, other)
        add(dn, other, dn)
        multiply(dc, z, part)
        subtract(part, dn, part)
        multiply(part, i, by_i)
        multiply(dc, c, part)
        multiply(dn, n, other)
        subtract(part, other, part)
        multiply(part, by_f, by_f)
        multiply(dc, by_z, by_z)
        if scale is not None:
            # m is log f + m' or log i.
            passed = np.where(mask, scale, 0)
            by_i += scale - passed
            by_f += passed if slope is None else passed * slope
            scale[...] = passed
        multiply(dc, f, dc)
        multiply(dn, f, dn)
        if one_row:
            left.dot(w_state_back, pieces)
            continue
        np.matmul(left, w_state_back, pieces)
        add(product[:2], product[2:], product[:2])
        add(product[0], product[1], dh)


def _backwards(masks: Array, slopes: Array | None) -> Any:
    """Return the pairs of each step, last first."""
    return zip(masks[::-1], repeat(None) if slopes is None else slopes[::-1], strict=False)


def through_forget(chunks: Sequence[Sequence[Run]], linear: int, activity: Array, first_n: Array) -> Array:
    """Return where m is that of the step before and log f, not log i: (rows, units), in the order of the steps.

    Parameters
    ----------
    chunks : sequence
    linear : int
        How many of them, the first ones, are of linear steps.
    activity : (rows, 4 units)
    first_n : (batch, units)
        As the slab begins.
    """
    units = first_n.shape[1]
    through = np.empty((len(activity), units), bool)
    largest = (first_n != 0).astype(activity.dtype)  # of exp(m), over what all are divided by
    for number, run in chain.from_iterable(((n, run) for run in chunk) for n, chunk in enumerate(chunks)):
        stacks = run.of(activity).reshape(run.steps, BLOCKS, run.number, units)
        for stack, own in zip(stacks, run.of(through), strict=True):
            if number >= linear:  # the one of f and i that m is of is 1
                np.less(stack[3], 1, out=own)
                continue
            carried = largest[: run.number]
            carried *= stack[0]
            np.greater(carried, stack[3], out=own)
            np.maximum(carried, stack[3], out=carried)
    return through
