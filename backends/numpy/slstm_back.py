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

__all__ = ["OF_GATES", "SLOPES", "slope_blocks", "slopes_of", "steps_back", "through_forget", "weights_back"]

# What a step's gradients are multiplied by, in blocks: dn by the first two gives (negative) parts of the gradients of
# what i and f squash, dc by the next three all of z's and the rest of these; dh by the last three gives o's, and what
# is added to -dn and dc. (n comes with its sign turned, so that both are added.)
SLOPES = 8
OF_GATES = slice(2, 6)  # the gradients of what i, f, z and o squash: in the order of the parameters
_BY_N, _BY_C, _BY_NC, _BY_H, _TO_NC = (
    slice(0, 2), slice(2, 4), slice(0, 4), slice(5, 8), slice(6, 8),
)  # fmt: skip


def weights_back(stack: Array, batch: int) -> Array:
    """Return w_h of the gates i, f, z, o, each transposed, as steps take it: one below the other for one row."""
    return weight_pieces(stack, batch) if batch > 1 else stack.reshape(-1, stack.shape[2])


def slope_blocks(room: Array, rows: int, batch: int) -> Array:
    """Return (8, rows, units) of some room; of one row, with the blocks of each step side by side."""
    return room.reshape(SLOPES, rows, -1) if batch > 1 else room.reshape(rows, SLOPES, -1).swapaxes(0, 1)


def slopes_of(stacks: Array, run: Run, nc: Array, h: Array, scaled: bool, sigmoid: bool, out: Array) -> Array | None:
    """Write what a step's gradients are multiplied by into (8, steps, rows, units); return the slopes of log f.

    Parameters
    ----------
    stacks : (steps, 6, rows, units)
        From `linear_steps`, or from `scaled_steps` where ``scaled``.
    run : Run
    nc, h : slabs
    scaled, sigmoid : bool
    out : (8, steps, rows, units)
    """
    f, o, z, i, by_i, average = stacks.swapaxes(0, 1)
    multiply, subtract = np.multiply, np.subtract
    slope_f = None
    if sigmoid:  # sigmoid'(a) / sigmoid(a) = 1 - sigmoid(a)
        slope_f = subtract(1, np.exp(by_i) if scaled else f)
        multiply(slope_f, f, out=out[1])
    else:
        out[1] = f
    multiply(run.before(nc[1]), out[1], out=out[3])
    multiply(run.before(nc[0]), out[1], out=out[1])
    out[0] = i
    if scaled:
        multiply(i, z, out=out[2])
    else:
        out[2] = by_i
    multiply(z, z, out=out[4])
    subtract(1, out[4], out=out[4])
    multiply(out[4], i, out=out[4])
    subtract(1, o, out=out[5])
    multiply(out[5], run.after(h), out=out[5])
    np.divide(o, run.after(nc[0]), out=out[7])
    multiply(out[7], average, out=out[6])
    return slope_f


def steps_back(
    slopes: Array,
    forget: Array,
    upstream: Array | None,
    dh: Array,
    dnc: Array,
    w_state_back: Array,
    room: Array,
    scale: Array | None,
    through: tuple[Array, Array | None] | None,
) -> None:
    """Propagate gradients back through consecutive steps that read the same rows.

    Parameters
    ----------
    slopes : (8, steps, rows, units)
        From `slopes_of`; on return blocks 2 to 5 are the gradients of what i, f, z and o squash.
    forget : (steps, rows, units)
    upstream : (steps, rows, units) or None
    dh : (rows, units)
    dnc : (2, rows, units)
        -dn and dc. As dh of the last states on entry, and of the first ones on return.
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
    product = room[: 4 * rows * units].reshape(4, rows, units)
    of_gates = slopes[OF_GATES].swapaxes(0, 1)
    one_row = w_state_back.ndim == 2
    lefts = of_gates.reshape(len(of_gates), 1, -1) if one_row else in_blocks(of_gates, w_state_back)
    pieces = dh if one_row else in_pieces(product, w_state_back)
    add, multiply, subtract, dc = np.add, np.multiply, np.subtract, dnc[1]
    both = np.broadcast_to(dnc[:, None], (2, 2, rows, units))
    steps = slopes.swapaxes(0, 1)
    by_nc = steps[:, _BY_NC].reshape(len(steps), 2, 2, rows, units)
    masks = repeat((None, None)) if through is None else _backwards(*through)
    each = zip(
        by_nc[::-1], steps[::-1, _BY_N], steps[::-1, _BY_C], steps[::-1, 4], steps[::-1, _BY_H], steps[::-1, _TO_NC],
        forget[::-1], lefts[::-1], repeat(None) if upstream is None else upstream[::-1], masks, strict=False,
    )  # fmt: skip
    for by, by_n, by_c, by_z, by_h, to_nc, f, left, dh_here, (mask, slope) in each:
        if dh_here is not None:
            add(dh, dh_here, dh)
        multiply(by_h, dh, by_h)
        add(dnc, to_nc, dnc)
        multiply(by, both, by)
        subtract(by_c, by_n, by_c)
        multiply(by_z, dc, by_z)
        if scale is not None:
            # m is log f + m' or log i.
            by_f = np.where(mask, scale, 0)
            by_c[0] += scale - by_f
            by_c[1] += by_f if slope is None else by_f * slope
            scale[...] = by_f
        multiply(dnc, f, dnc)
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
    activity : (rows, 6 units)
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
