"""NumPy's kernels for normalization over the last axis: every pass over a block of rows while it is in the cache."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np

from lamina.backends.arrays import Array, Saved
from lamina.backends.backend import Backend
from lamina.backends.kernels import adding
from lamina.backends.numpy.products import slices

__all__ = ["NumPyNormalizationKernels", "limits"]

# How many bytes a block of rows has. With fewer, what calls cost shows; four times as many were no faster.
_BLOCK = 1 << 19

# Up to so many features, sums by BLAS err no more than NumPy's, which adds in pairs and takes several times as long.
_MOST_FEATURES = 1024


class _Kept(NamedTuple):
    """What backward needs: the inputs' rows as they lie, and per row the mean (None for 0) and 1 / the deviation."""

    rows: Array
    mean: Array | None
    inverse: Array
    turned: bool


class NumPyNormalizationKernels(Backend):
    """Layer and root-mean-square normalization; as the generic kernels, which they leave what is out of range to.

    A block's passes read and write memory that the last one left in the cache; sums are products with a row of ones;
    and a factor for each row times one for each feature is one outer product, so that NumPy walks without rows.
    Nothing as large as x is kept but x.
    """

    def layer_norm_forward(
        self, x: Array, scale: Array | None, shift: Array | None, *, epsilon: float
    ) -> tuple[Array, Saved]:
        """Return y = (x - mean) / sqrt(variance + epsilon) scale + shift; as the generic kernel."""
        found = self._normalized(x, scale, shift, epsilon, centre=True)
        return found or super().layer_norm_forward(x, scale, shift, epsilon=epsilon)

    @adding
    def layer_norm_backward(self, dy: Array, saved: Saved, scale: Array | None) -> tuple[Array, Array, Array]:
        """Return dx, dscale and dshift; as the generic kernel."""
        if not isinstance(saved, _Kept):
            return super().layer_norm_backward(dy, saved, scale)
        return self._normalized_back(dy, saved, scale)

    def rms_norm_forward(self, x: Array, scale: Array | None, *, epsilon: float) -> tuple[Array, Saved]:
        """Return y = x / sqrt(mean(x^2) + epsilon) scale; as the generic kernel."""
        found = self._normalized(x, scale, None, epsilon, centre=False)
        return found or super().rms_norm_forward(x, scale, epsilon=epsilon)

    @adding
    def rms_norm_backward(self, dy: Array, saved: Saved, scale: Array | None) -> tuple[Array, Array]:
        """Return dx and dscale; as the generic kernel."""
        if not isinstance(saved, _Kept):
            return super().rms_norm_backward(dy, saved, scale)
        return self._normalized_back(dy, saved, scale)[:2]

    def _normalized(
        self, x: Array, scale: Array | None, shift: Array | None, epsilon: float, centre: bool
    ) -> tuple[Array, _Kept] | None:
        """Return y and what backward needs; None where a square would overflow, vanish or lose digits."""
        features, dtype = x.shape[-1], x.dtype
        most, least = limits(dtype)
        if not x.size or features > _MOST_FEATURES or epsilon < least:
            return None
        turned = _is_turned(x)
        rows = _rows_of(x, turned)
        y = self.empty(rows.shape, dtype)
        mean = self.empty((len(rows), 1), dtype) if centre else None
        inverse = self.empty((len(rows), 1), dtype)
        ones = self.full((features,), 1, dtype)
        scale = (ones if scale is None else scale)[None]
        step = _rows_of_a_block(rows)
        room, factor = self.empty((2, step, features), dtype)
        shifts = None if shift is None else np.broadcast_to(shift, room.shape).copy()
        with np.errstate(over="ignore", invalid="ignore"):  # what is out of range is seen below
            for part in slices(len(rows), step):
                block, out, own = rows[part], y[part], inverse[part]
                number = len(block)
                if mean is not None:
                    np.dot(block, ones, mean[part, 0])
                    mean[part] /= features
                    block = np.subtract(block, mean[part], out=room[:number])
                np.vecdot(block, block, out=own[:, 0])
                if not own.max() < most:
                    return None
                own /= features
                own += epsilon
                np.sqrt(own, out=own)
                np.divide(1, own, out=own)
                np.multiply(block, np.dot(own, scale, factor[:number]), out=out)
                if shifts is not None:
                    out += shifts[:number]
        return _as_before(y, x, turned), _Kept(rows, mean, inverse, turned)

    def _normalized_back(self, dy: Array, saved: _Kept, scale: Array | None) -> tuple[Array, Array, Array]:
        """Return dx, dscale and dshift; the last is not to be used where there is no mean."""
        rows, mean, inverse, turned = saved
        features, dtype = dy.shape[-1], dy.dtype
        dy_rows = _rows_of(dy, turned)
        dx = self.empty(rows.shape, dtype)
        dscale, dshift = self.zeros((2, features), dtype)
        if scale is None:
            scale = self.full((features,), 1, dtype)
        step = _rows_of_a_block(rows)
        room, factor = self.empty((2, step, features), dtype)
        along = self.empty((step, 1), dtype)
        ones = self.full((step,), 1, dtype)
        for part in slices(len(rows), step):
            block, dy_block, out, own = rows[part], dy_rows[part], dx[part], inverse[part]
            number = len(block)
            centred, product, by_n = room[:number], factor[:number], along[:number]
            if mean is not None:
                block = np.subtract(block, mean[part], out=centred)
                dshift += np.dot(ones[:number], dy_block)
            np.multiply(dy_block, block, out=product)
            dscale += np.dot(own[:, 0], product)
            np.dot(product, scale, by_n[:, 0])
            # n mean(dn n) / deviation, of n = centred / deviation.
            by_n *= own * own * own
            by_n /= features
            np.multiply(dy_block, np.dot(own, scale[None], factor[:number]), out=out)
            np.multiply(block, by_n, out=centred)
            out -= centred
            if mean is not None:
                np.dot(dy_block, scale, by_n[:, 0])
                by_n *= own
                by_n /= features
                out -= by_n
        return _as_before(dx, dy, turned), dscale, dshift


@cache
def limits(dtype: Any) -> tuple[float, float]:
    """Return what sums of squares are below, and epsilons not below, where nothing overflows or vanishes."""
    info = np.finfo(dtype)
    return float(info.max) ** 0.5, float(info.smallest_normal) ** 0.5


def _is_turned(x: Array) -> bool:
    """Tell whether x is (batch, time, features) and lies time first, as recurrent layers leave it."""
    return x.ndim == 3 and not x.flags.c_contiguous and bool(x.swapaxes(0, 1).flags.c_contiguous)


def _rows_of(x: Array, turned: bool) -> Array:
    """Return (..., features) as (rows, features) without gaps, time first where turned: a view where it can be one."""
    return np.ascontiguousarray(x.swapaxes(0, 1) if turned else x).reshape(-1, x.shape[-1])


def _as_before(rows: Array, x: Array, turned: bool) -> Array:
    """Return (rows, features) in the shape of x."""
    return rows.reshape(x.shape[1], x.shape[0], -1).swapaxes(0, 1) if turned else rows.reshape(x.shape)


def _rows_of_a_block(rows: Array) -> int:
    """Return how many rows are taken at a time."""
    size: int = rows.shape[1] * rows.itemsize
    return max(1, min(len(rows), _BLOCK // size))
