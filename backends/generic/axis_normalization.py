"""Generic kernels: normalization over several axes of a row, and by the root mean square."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lamina.backends.arrays import Array, Saved
from lamina.backends.generic.normalization import NormalizationKernels
from lamina.backends.kernels import adding

__all__ = ["AxisNormalizationKernels"]


class AxisNormalizationKernels(NormalizationKernels):
    """Of each row alone; with lengths, and the time among the axes, over a row's valid steps."""

    def rms_norm_forward(self, x: Array, scale: Array | None, *, epsilon: float) -> tuple[Array, Saved]:
        """Return n = x / sqrt(mean(x^2) + epsilon), and y = n scale, over the last axis."""
        xp = self.xp
        unit, root = self._units(x, -1, epsilon), None
        if unit is not None:
            x, root = x / unit, math.sqrt(epsilon) / unit
        added = epsilon if root is None else root * root
        inverse = 1 / xp.sqrt(xp.mean(x * x, axis=-1, keepdims=True) + added)
        n = x * inverse
        if unit is not None:
            inverse = inverse / unit
        return self.scaled(n, scale, None), (n, inverse)

    @adding
    def rms_norm_backward(self, dy: Array, saved: Saved, scale: Array | None) -> tuple[Array, Array]:
        """Return dx = (dn - n mean(dn n)) / sqrt(...), where dn = dy scale; and dscale."""
        xp = self.xp
        n, inverse = saved
        product = dy * n
        dscale = xp.sum(product, axis=tuple(range(dy.ndim - 1)))
        dn, along = (dy, product) if scale is None else (dy * scale, product * scale)
        return inverse * (dn - n * xp.mean(along, axis=-1, keepdims=True)), dscale

    def axis_norm_forward(
        self,
        x: Array,
        scale: Array | None,
        shift: Array | None,
        lengths: Array | None,
        *,
        axes: Sequence[int],
        epsilon: float,
    ) -> tuple[Array, Saved]:
        """Normalize over some axes of each row.

        Parameters
        ----------
        x : (batch, ...)
        scale, shift : arrays that broadcast to x, or None
        lengths : (batch,) integers on the host, or None
            Of x (batch, time, ...).
        axes : sequence of int
            From 1 on; 1 is the time where there are lengths.
        epsilon : float

        Returns
        -------
        y : like x, 0 past each row's end
        saved : for `axis_norm_backward`
        """
        xp, axes = self.xp, tuple(axes)
        x = self.zero_past(x, lengths)
        count = self._counts(x, lengths, axes)
        ends = lengths if 1 in axes else None  # otherwise a step past the end is normalized alone, and its n is 0
        unit, root = self._units(x, axes, epsilon), None
        if unit is not None:
            x, root = x / unit, math.sqrt(epsilon) / unit
        centred = self.zero_past(x - self._sums(x, axes) / count, ends)
        added = epsilon if root is None else root * root
        inverse = 1 / xp.sqrt(self._sums(centred * centred, axes) / count + added)
        n = centred * inverse
        if unit is not None:
            inverse = inverse / unit
        y = self.scaled(n, scale, shift)
        return (y if shift is None else self.zero_past(y, lengths)), (n, inverse, lengths, axes, count)

    @adding
    def axis_norm_backward(
        self, dy: Array, saved: Saved, scale: Array | None, shift: Array | None
    ) -> tuple[Array, Array | None, Array | None]:
        """Return dx = (dn - mean(dn) - n mean(dn n)) / sqrt(...), where dn = dy scale; dscale and dshift."""
        n, inverse, lengths, axes, count = saved
        dy = self.zero_past(dy, lengths)
        dscale = None if scale is None else self.sum_to(dy * n, scale.shape)
        dshift = None if shift is None else self.sum_to(dy, shift.shape)
        dn = dy if scale is None else dy * scale
        mean, along = (self._sums(one, axes) / count for one in (dn, dn * n))
        return self.zero_past(inverse * (dn - mean - n * along), lengths), dscale, dshift

    def _sums(self, array: Array, axes: tuple[int, ...]) -> Array:
        """Return the sums over axes, which stay: one after the other, the last first, as it lies together in memory."""
        for axis in reversed(axes):
            array = self.xp.sum(array, axis=axis, keepdims=True)
        return array

    def _counts(self, x: Array, lengths: Array | None, axes: tuple[int, ...]) -> Array | float:
        """Return how many numbers a mean is over: one for all, or (batch, 1, ...) where rows have as many as steps."""
        if lengths is None or 1 not in axes:
            return float(max(math.prod(x.shape[axis] for axis in axes), 1))
        each = math.prod(x.shape[axis] for axis in axes if axis != 1)
        counts = np.maximum(np.asarray(lengths) * each, 1).astype(np.float64)
        return self.reshape(self.astype(self.asarray(counts), x.dtype), (-1, *(1,) * (x.ndim - 1)))
