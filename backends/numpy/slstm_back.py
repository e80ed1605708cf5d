"""What NumPy's sLSTM does step by step on the way back."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import repeat

import numpy as np

from lamina.backends.arrays import Array
from lamina.backends.numpy.products import in_blocks, in_pieces, weight_pieces
from lamina.backends.numpy.reading_order import Run
from lamina.backends.numpy.slstm_steps import stacks_of

__all__ = ["slope_blocks", "slopes_of", "steps_and_first_back", "steps_back", "through_forget", "weights_back"]


def weights_back(stack: Array, batch: int) -> Array:
    """Return w_h of the gates z, i, f, o, each transposed, as steps take it: one below the other for one row."""
    return weight_pieces(stack, batch) if batch > 1 else stack.reshape(-1, stack.shape[2])


def slope_blocks(room: Array, rows: int, batch: int) -> Array:
    """Return (4, rows, units) of some room; of one row, with the blocks of each step side by side."""
    return room.reshape(4, rows, -1) if batch > 1 else room.reshape(rows, 4, -1).swapaxes(0, 1)


def slopes_of(stacks: Array, h: Array, before: Array, kept: Array | None, out: Array, keep: Array) -> None:
    """Write what the gradients of what z, i, f and o squash are multiples of, and whose place they take.

    Parameters
    ----------
    stacks : (steps, 4, rows, units)
        From `linear_steps`, or from `scaled_steps`.
    h : (steps, rows, units)
        After each step.
    before : (steps, rows, units)
        The average before each step.
    kept : (steps, rows, units) or None
        From `scaled_steps`.
    out : (4, steps, rows, units)
    keep : (steps, rows, units)
        1 - u is written into it.
    """
    f, o, u, z = stacks.swapaxes(0, 1)
    multiply, subtract = np.multiply, np.subtract
    if kept is None:
        subtract(1, u, out=keep)
    else:
        keep[...] = kept
    multiply(z, z, out=out[0])
    subtract(1, out[0], out=out[0])
    multiply(out[0], u, out=out[0])
    subtract(z, before, out=out[1])
    multiply(out[1], u, out=out[1])
    multiply(out[1], keep, out=out[1])
    # 1 - sigmoid(a): the slope of its logarithm.
    np.divide(1, f, out=out[2])  # a third of the time of reciprocal
    subtract(1, out[2], out=out[2])
    np.divide(1, o, out=out[3])
    subtract(1, out[3], out=out[3])
    multiply(out[3], h, out=out[3])


def steps_back(
    slopes: Array,
    stacks: Array,
    keep: Array,
    upstream: Array | None,
    carried: tuple[Array, Array, Array],
    w_state_back: Array,
    room: Array,
    scale: Array | None,
    through: Array | None,
) -> None:
    """Propagate gradients back through consecutive steps that read the same rows.

    Parameters
    ----------
    slopes : (4, steps, rows, units)
        From `slopes_of`; on return the gradients of what z, i, f and o squash.
    stacks : (steps, 4, rows, units)
    keep : (steps, rows, units)
    upstream : (steps, rows, units) or None
    carried : dh, and the gradients of the average and of log n, (rows, units) each
        Of the last states on entry, and of the first ones on return.
    w_state_back : array
        From `weights_back`.
    room : array of 4 rows units elements or more
        Overwritten.
    scale : (rows, units) or None
        The gradient of m if the average and log n + m were held as they are: of the last states on entry, and of the
        first ones on return; None is zeros.
    through : (steps, rows, units) or None
        Where m is that of the step before and log f; with a scale.
    """
    rows, units = slopes.shape[2:]
    dh, da, dn = carried
    product = room[: 4 * rows * units].reshape(4, rows, units)
    part = product[0]  # free until the product is written
    of_gates = slopes.swapaxes(0, 1)
    one_row = w_state_back.ndim == 2
    lefts = of_gates.reshape(len(of_gates), 1, 4 * units) if one_row else in_blocks(of_gates, w_state_back)
    pieces = dh if one_row else in_pieces(product, w_state_back)
    add, multiply, subtract, divide = np.add, np.multiply, np.subtract, np.divide
    _, o, u, _ = stacks.swapaxes(0, 1)
    each = zip(
        of_gates[::-1, :2], *slopes[:, ::-1], o[::-1], u[::-1], keep[::-1], lefts[::-1],
        repeat(None) if upstream is None else upstream[::-1],
        repeat(None) if through is None else through[::-1],
        strict=False,
    )  # fmt: skip
    for to_average, _, by_i, by_f, by_o, shut, share, rest, left, dh_here, mask in each:
        if dh_here is not None:
            add(dh, dh_here, dh)
        multiply(dh, by_o, by_o)
        divide(dh, shut, part)
        add(da, part, da)
        multiply(da, to_average, to_average)
        multiply(da, rest, da)
        multiply(dn, share, part)
        add(by_i, part, by_i)
        subtract(dn, by_i, dn)
        if scale is None:
            multiply(dn, by_f, by_f)
        else:  # m is log f + m' or log i
            passed = np.where(mask, scale, 0)
            by_i += scale - passed
            by_f *= dn + passed
            scale[...] = passed
        if one_row:
            left.dot(w_state_back, pieces)
            continue
        np.matmul(left, w_state_back, pieces)
        add(product[:2], product[2:], product[:2])
        add(product[0], product[1], dh)


def steps_and_first_back(
    slopes: Array,
    stacks: Array,
    keep: Array,
    upstream: Array | None,
    carried: tuple[Array, Array, Array],
    w_state_back: Array,
    room: Array,
    scale: Array | None,
    through: Array | None,
) -> None:
    """Do as `steps_back` with the first steps of all, but leave dh before and the other gradients after the first."""

    def back(part: slice) -> None:
        steps_back(
            slopes[:, part],
            stacks[part],
            keep[part],
            None if upstream is None else upstream[part],
            carried,
            w_state_back,
            room,
            scale,
            None if through is None else through[part],
        )

    keep[0] = 1
    dn = carried[2]
    if scale is None:
        back(slice(0, len(stacks)))
        dn += slopes[1, 0]
        return
    if len(stacks) > 1:
        back(slice(1, len(stacks)))
    after = dn.copy()
    back(slice(0, 1))
    dn[...] = after


def through_forget(runs: Iterable[Run], activity: Array, kept: Array | None, linear: int, first_n: Array) -> Array:
    """Return where m is that of the step before and log f, not log i: (rows, units), in the order of the steps.

    Parameters
    ----------
    runs : iterable
    activity : (rows, 4 units)
        Of stacks.
    kept : (rows, units) or None
        From `scaled_steps`; of use from the row ``linear`` on.
    linear : int
        How many rows are of linear steps.
    first_n : (batch, units)
    """
    units = first_n.shape[1]
    through = np.empty((len(activity), units), bool)
    peak = np.divide(1, first_n, out=np.zeros_like(first_n), where=first_n != 0)
    for run in runs:
        u, own = stacks_of(run, activity)[:, 2], run.of(through)
        rest = 1 - u if kept is None or run.first < linear else run.of(kept)
        carried = peak[: run.number]
        for share, factor, mask in zip(u, rest, own, strict=True):
            carried *= factor
            np.greater(carried, share, out=mask)
            np.maximum(carried, share, out=carried)
    return through
