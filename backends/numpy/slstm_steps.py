"""What NumPy's sLSTM does step by step on the way back, and how its pass is laid out."""

from __future__ import annotations

from itertools import repeat
from typing import NamedTuple

import numpy as np

from lamina.backends.arrays import Array
from lamina.backends.numpy.products import in_blocks, in_pieces
from lamina.backends.numpy.reading_order import Run

__all__ = ["BLOCKS", "EXPONENTS", "FORGET", "SQUASHED", "Slabs", "slopes_of", "steps_back"]

# A stack's blocks are the gates f, i, z, o, then c / n and log f.
BLOCKS = 6
FORGET, EXPONENTS, SQUASHED = 0, slice(0, 2), slice(2, 4)


class Slabs(NamedTuple):
    """What a pass computes of each state (see `ReadingOrder`)."""

    h: Array
    c: Array
    n: Array
    m: Array


def slopes_of(stacks: Array, run: Run, slabs: Slabs, sigmoid: bool, out: Array) -> Array | None:
    """Write what a step's gradients are multiplied by into (7, steps, rows, units); return the slopes of log f.

    By dc what f, i and z squash, by dh what o squashes; by dn what f and i squash; and o / n, by which dh reaches c.
    """
    f, i, z, o, average, log_f = stacks.swapaxes(0, 1)
    slope_f = None
    multiply, subtract = np.multiply, np.subtract
    multiply(run.before(slabs.c), f, out=out[0])
    multiply(run.before(slabs.n), f, out=out[4])
    if sigmoid:
        slope_f = np.exp(log_f)
        subtract(1, slope_f, out=slope_f)  # sigmoid'(a) / sigmoid(a) = 1 - sigmoid(a)
        multiply(out[0], slope_f, out=out[0])
        multiply(out[4], slope_f, out=out[4])
    multiply(i, z, out=out[1])
    out[5] = i
    multiply(z, z, out=out[2])
    subtract(1, out[2], out=out[2])
    multiply(out[2], i, out=out[2])
    subtract(1, o, out=out[3])
    multiply(out[3], o, out=out[3])
    multiply(out[3], average, out=out[3])
    np.divide(o, run.after(slabs.n), out=out[6])
    return slope_f


def steps_back(
    slopes: Array,
    stacks: Array,
    upstream: Array | None,
    carried: list[Array],
    w_state_back: Array,
    room: Array,
    scale: Array | None,
    slope_f: Array | None,
) -> None:
    """Propagate gradients back through consecutive steps that read the same rows.

    Parameters
    ----------
    slopes : (7, steps, rows, units)
        From `slopes_of`; on return the first four are the gradients of what f, i, z and o squash.
    stacks : (steps, 6, rows, units)
    upstream : (steps, rows, units) or None
    carried : dh, dc and dn, (rows, units) each
        Of the last states on entry, and of the first ones on return.
    w_state_back : array
        As `weight_pieces` returns it.
    room : array of 4 rows units elements or more
        Overwritten.
    scale : (rows, units) or None
        The gradient of m if c exp(m) and n exp(m) were held as they are: of the last states on entry, and of the
        first ones on return; None is zeros.
    slope_f : (steps, rows, units) or None
    """
    rows, units = slopes.shape[2:]
    dh, dc, dn = carried
    product = room[: 4 * rows * units].reshape(4, rows, units)
    pieces, by_n, through = in_pieces(product, w_state_back), product[:2], product[2]
    matmul, add, multiply, subtract = np.matmul, np.add, np.multiply, np.subtract
    lefts = in_blocks(slopes[:4].swapaxes(0, 1), w_state_back)
    steps = slopes.swapaxes(0, 1)
    upstream_steps = repeat(None) if upstream is None else upstream[::-1]
    slope_steps = repeat(None) if slope_f is None else slope_f[::-1]
    each = zip(steps[::-1], stacks[::-1], lefts[::-1], upstream_steps, slope_steps, strict=False)
    for step, stack, left, dh_here, slope in each:
        exponents, squashed, to_output = step[EXPONENTS], step[2], step[3]  # turned into gradients in place
        if dh_here is not None:
            add(dh, dh_here, out=dh)
        multiply(dh, step[6], out=through)
        multiply(dh, to_output, out=to_output)
        add(dc, through, out=dc)
        multiply(through, stack[4], out=through)
        subtract(dn, through, out=dn)
        multiply(dc, exponents, out=exponents)
        multiply(dn, step[4:6], out=by_n)
        add(exponents, by_n, out=exponents)
        multiply(dc, squashed, out=squashed)
        if scale is not None:
            # m is log f + m' or log i, whichever is larger: the one whose exponential is 1.
            by_f = np.where(stack[1] < 1, scale, 0)
            exponents[1] += scale - by_f
            exponents[0] += by_f if slope is None else by_f * slope
            scale[...] = by_f
        multiply(dc, stack[FORGET], out=dc)
        multiply(dn, stack[FORGET], out=dn)
        matmul(left, w_state_back, out=pieces)
        add(product[:2], product[2:], out=product[:2])
        add(product[0], product[1], out=dh)
