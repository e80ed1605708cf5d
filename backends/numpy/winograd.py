"""Convolution with windows of three steps, two windows at a time, by four products for six (Lavin & Gray, 2016).

Windows (d0, d1, d2) and (d1, d2, d3) times weights (g0, g1, g2) are

    y0 = m0 + m1 + m2    y1 = m1 - m2 - m3
    m0 = (d0 - d2) g0    m1 = (d1 + d2) (g0 + g1 + g2) / 2    m2 = (d2 - d1) (g0 - g1 + g2) / 2    m3 = (d1 - d3) g2

The gradients are the same three linear maps, transposed: they share what is made of d and of dy. The sums are passes
over memory, so that it pays where features and units are many.
"""

from __future__ import annotations

import numpy as np

from lamina.backends.arrays import Array
from lamina.backends.generic.windows import Windows
from lamina.backends.numpy.products import slices

__all__ = ["pairs_backward", "pairs_forward", "pairs_pay"]

# From how many multiplications for each number read and written on pairs are faster, by measurement.
_LEAST = 24
_FEWEST = 256  # windows in all; of fewer, what calls cost counts

# How many numbers what is multiplied has, of one block of rows.
_BLOCK = 1 << 18


def pairs_pay(windows: Windows, batch: int, features: int, units: int) -> bool:
    """Tell whether windows can be taken in pairs, and are faster so."""
    fits = windows.size == 3 and windows.stride == windows.dilation == 1 and windows.number * batch >= _FEWEST
    return fits and features * units >= _LEAST * (features + units)


def pairs_forward(x: Array, w: Array, b: Array | None, windows: Windows, y: Array) -> None:
    """Write y (batch, number, units) of x (batch, time, features), with 0 around each row."""
    features, units = w.shape[1:]
    number, pairs = windows.number, -(-windows.number // 2)
    weights = _of_weights(w)
    padded, sums, products, _ = _rooms(x, pairs, features, units)
    part = np.empty(products.shape[1:], x.dtype)
    for rows in slices(len(x), len(padded)):
        count = rows.stop - rows.start
        d = _of_steps(x[rows], windows, padded[:count], sums[:, :count])
        m = products[:, :count]
        np.matmul(d.reshape(4, -1, features), weights, out=m.reshape(4, -1, units))
        if b is not None:
            m[1] += b  # it is in both
        own, odd = part[:count], number // 2
        np.add(m[1], m[2], out=own)
        np.add(m[0], own, out=y[rows, ::2])
        np.subtract(m[1], m[2], out=own)
        np.subtract(own[:, :odd], m[3, :, :odd], out=y[rows, 1::2])


def pairs_backward(x: Array, dy: Array, w: Array, windows: Windows, dx: Array | None) -> Array:
    """Return dw; write dx (batch, time, features) where there is one."""
    features, units = w.shape[1:]
    pairs = -(-windows.number // 2)
    back = np.ascontiguousarray(_of_weights(w).swapaxes(1, 2))
    padded, sums, of_dy, room = _rooms(x, pairs, features, units)
    dw = np.zeros((4, features, units), x.dtype)
    part = np.empty_like(dw)
    for rows in slices(len(x), len(padded)):
        count = rows.stop - rows.start
        d = _of_steps(x[rows], windows, padded[:count], sums[:, :count]).reshape(4, -1, features)
        e = _of_outputs(dy[rows], of_dy[:, :count]).reshape(4, -1, units)
        np.matmul(d.swapaxes(1, 2), e, out=part)
        dw += part
        if dx is not None:
            np.matmul(e, back, out=d)
            _to_steps(sums[:, :count], windows, padded[:count], room[:count], dx[rows])
    dw[1:3] *= np.asarray(0.5, dw.dtype)
    both = dw[1] + dw[2]
    return np.stack([dw[0] + both, dw[1] - dw[2], both + dw[3]])


def _of_weights(w: Array) -> Array:
    """Return what m0 to m3 are multiplied by: (4, features, units)."""
    half = np.asarray(0.5, w.dtype)
    outer = (w[0] + w[2]) * half
    inner = w[1] * half
    return np.stack([w[0], outer + inner, outer - inner, w[2]])


def _of_steps(x: Array, windows: Windows, padded: Array, out: Array) -> Array:
    """Write what of the steps of x is multiplied into (4, rows, pairs, features)."""
    first = min(windows.before, padded.shape[1])
    stop = min(first + x.shape[1], padded.shape[1])
    padded[:, :first] = 0
    padded[:, first:stop] = x[:, : stop - first]
    padded[:, stop:] = 0
    d0, d1, d2, d3 = _by_pairs(padded)
    np.subtract(d0, d2, out=out[0])
    np.add(d1, d2, out=out[1])
    np.subtract(d2, d1, out=out[2])
    np.subtract(d1, d3, out=out[3])
    return out


def _of_outputs(dy: Array, out: Array) -> Array:
    """Write the gradients of m0 to m3 into (4, rows, pairs, units)."""
    even, odd = dy[:, ::2], dy[:, 1::2]
    whole = odd.shape[1]
    out[0] = even
    np.add(even[:, :whole], odd, out=out[1, :, :whole])
    np.subtract(even[:, :whole], odd, out=out[2, :, :whole])
    np.negative(odd, out=out[3, :, :whole])
    if whole < even.shape[1]:  # the last pair is half a pair
        out[1:3, :, whole:] = even[:, whole:]
        out[3, :, whole:] = 0
    return out


def _to_steps(dd: Array, windows: Windows, padded: Array, room: Array, dx: Array) -> None:
    """Write the gradient of the steps of x, of the (4, rows, pairs, features) gradients of what was multiplied."""
    d0, d1, d2, d3 = _by_pairs(padded)
    padded[:, -2:] = 0
    d0[...] = dd[0]
    np.subtract(dd[1], dd[2], out=room)
    np.add(room, dd[3], out=d1)
    np.add(dd[1], dd[2], out=room)
    np.subtract(room, dd[0], out=room)
    d2 += room
    d3 -= dd[3]
    first = min(windows.before, padded.shape[1])
    stop = min(first + dx.shape[1], padded.shape[1])
    dx[:, : stop - first] = padded[:, first:stop]
    dx[:, stop - first :] = 0


def _by_pairs(padded: Array) -> tuple[Array, Array, Array, Array]:
    """Return the views d0 to d3, (rows, pairs, features) each, of steps (rows, 2 pairs + 2, features)."""
    steps = padded.reshape(len(padded), -1, 2, padded.shape[2])
    return steps[:, :-1, 0], steps[:, :-1, 1], steps[:, 1:, 0], steps[:, 1:, 1]


def _rooms(x: Array, pairs: int, features: int, units: int) -> tuple[Array, Array, Array, Array]:
    """Return room for one block's steps, for what is made of them, for products, and for a part of the first."""
    step = max(1, min(len(x), _BLOCK // (4 * pairs * max(features, units))))
    shapes = (
        (step, 2 * pairs + 2, features),
        (4, step, pairs, features),
        (4, step, pairs, units),
        (step, pairs, features),
    )
    padded, sums, products, part = (np.empty(shape, x.dtype) for shape in shapes)
    return padded, sums, products, part
