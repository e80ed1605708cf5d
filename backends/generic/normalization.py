"""Generic kernels: normalization over the features of a step, or over the valid steps of a batch."""

from __future__ import annotations

import math

from lamina.backends.arrays import Array, Saved
from lamina.backends.kernels import KernelTable, adding

__all__ = ["NormalizationKernels"]


class NormalizationKernels(KernelTable):
    """Means of 0 and variances of 1, then a scale and a shift where there are some."""

    def layer_norm_forward(
        self, x: Array, scale: Array | None, shift: Array | None, *, epsilon: float
    ) -> tuple[Array, Saved]:
        """Return n = (x - mean) / sqrt(variance + epsilon), and y = n scale + shift, over the last axis."""
        xp = self.xp
        unit, root = self._units(x, -1, epsilon), None
        if unit is not None:
            x, root = x / unit, math.sqrt(epsilon) / unit
        centred = x - xp.mean(x, axis=-1, keepdims=True)
        added = epsilon if root is None else root * root
        inverse = 1 / xp.sqrt(xp.mean(centred * centred, axis=-1, keepdims=True) + added)
        n = centred * inverse
        if unit is not None:
            inverse = inverse / unit
        return self.scaled(n, scale, shift), (n, inverse)

    @adding
    def layer_norm_backward(self, dy: Array, saved: Saved, scale: Array | None) -> tuple[Array, Array, Array]:
        """Return dx = (dn - mean(dn) - n mean(dn n)) / sqrt(...), where dn = dy scale; dscale and dshift."""
        xp = self.xp
        n, inverse = saved
        axes = tuple(range(dy.ndim - 1))
        dscale, dshift = xp.sum(dy * n, axis=axes), xp.sum(dy, axis=axes)
        dn = dy if scale is None else dy * scale
        along = xp.mean(dn * n, axis=-1, keepdims=True)
        return inverse * (dn - xp.mean(dn, axis=-1, keepdims=True) - n * along), dscale, dshift

    def batch_norm_forward(
        self, x: Array, scale: Array | None, shift: Array | None, lengths: Array | None, *, epsilon: float
    ) -> tuple[Array, tuple[Array, Array, int], Saved]:
        """Normalize every feature over all valid steps of the batch.

        Parameters
        ----------
        x : (batch, ..., features)
        scale, shift : (features,) or None
        lengths : (batch,) integers on the host, or None

        Returns
        -------
        y : like x, 0 past each row's end
        statistics : mean and variance, each (features,), and the number of steps they were taken over
        saved : for `batch_norm_backward`
        """
        xp = self.xp
        axes = tuple(range(x.ndim - 1))
        steps = math.prod(x.shape[:-1]) if lengths is None else int(lengths.sum()) * math.prod(x.shape[2:-1])
        count = max(steps, 1)
        x = self.zero_past(x, lengths)
        unit, root = self._units(x, axes, epsilon), None
        if unit is not None:
            unit = self.reshape(unit, x.shape[-1:])
            x, root = x / unit, math.sqrt(epsilon) / unit
        mean = xp.sum(x, axis=axes) / count
        centred = self.zero_past(x - mean, lengths)
        variance = xp.sum(centred * centred, axis=axes) / count
        inverse = 1 / xp.sqrt(variance + (epsilon if root is None else root * root))
        n = centred * inverse
        if unit is not None:
            # A variance that the dtype does not hold is a large number: infinity would stay in a moving average.
            deviation = xp.sqrt(variance) * unit
            deviation = xp.minimum(deviation, xp.full_like(deviation, float(xp.finfo(x.dtype).max) ** 0.5 / 2))
            mean, variance, inverse = mean * unit, deviation * deviation, inverse / unit
        y = self.zero_past(self.scaled(n, scale, shift), lengths)
        return y, (mean, variance, steps), (n, inverse, lengths, count)

    @adding
    def batch_norm_backward(self, dy: Array, saved: Saved, scale: Array | None) -> tuple[Array, Array, Array]:
        """Return dx = scale / sqrt(...) (dy - mean(dy) - n mean(dy n)), means over valid steps; dscale and dshift."""
        xp = self.xp
        n, inverse, lengths, count = saved
        axes = tuple(range(dy.ndim - 1))
        dy = self.zero_past(dy, lengths)
        dscale, dshift = xp.sum(dy * n, axis=axes), xp.sum(dy, axis=axes)
        factor = inverse if scale is None else inverse * scale
        dx = factor * (dy - dshift / count - n * (dscale / count))
        return self.zero_past(dx, lengths), dscale, dshift

    def batch_norm_infer(
        self,
        x: Array,
        mean: Array,
        variance: Array,
        scale: Array | None,
        shift: Array | None,
        lengths: Array | None,
        *,
        epsilon: float,
    ) -> Array:
        """Return y = (x - mean) / sqrt(variance + epsilon) scale + shift, 0 past each row's end."""
        n = (x - mean) * (1 / self.xp.sqrt(variance + epsilon))
        return self.zero_past(self.scaled(n, scale, shift), lengths)

    def batch_norm_move(
        self, running_mean: Array, running_variance: Array, mean: Array, variance: Array, count: int, momentum: float
    ) -> None:
        """Move running statistics (features,) in place, by a batch's, which were taken over ``count`` steps.

        The variance is divided by one less; of one step there is none, and of none no mean.
        """
        if count > 0:
            running_mean += momentum * (mean - running_mean)
        if count > 1:
            unbiased = variance * (count / (count - 1))
            running_variance += momentum * (unbiased - running_variance)

    def standardize_forward(
        self, x: Array, mean: Array, mean_rest: Array, deviation: Array, lengths: Array | None
    ) -> tuple[Array, Saved]:
        """Return y = (x - mean - mean_rest) / deviation, 0 past each row's end; statistics are (features,)."""
        # In this order: x minus a mean near it is exact, and only then does the rest count.
        y = ((x - mean) - mean_rest) / deviation
        return self.zero_past(y, lengths), (deviation, lengths)

    def standardize_backward(self, dy: Array, saved: Saved) -> Array:
        """Return dx = dy / deviation, 0 past each row's end."""
        deviation, lengths = saved
        return self.zero_past(dy, lengths) / deviation

    def _units(self, x: Array, axes: int | tuple[int, ...], epsilon: float) -> Array | None:
        """Return what to divide values by, along axes of a size of 1, so that no square overflows or vanishes.

        It is 1 where none would, and None where that is so everywhere; on a device, which is not waited for, it is
        always looked at. Squares vanish unseen beside an epsilon that is larger.
        """
        xp = self.xp
        known = self.__dict__.setdefault("_safe_sizes", {})
        if x.dtype not in known:
            info = xp.finfo(x.dtype)
            known[x.dtype] = float(info.max) ** 0.25, float(info.smallest_normal) ** 0.25
        most, least = known[x.dtype]
        small = math.sqrt(epsilon) < least
        if not math.prod(x.shape):
            return None
        if self.on_host and not small and float(xp.max(x)) < most and float(xp.min(x)) > -most:
            return None
        size = xp.max(xp.abs(x), axis=axes, keepdims=True)
        odd = size >= most
        if small:
            odd = odd | ((size > 0) & (size <= least))
        # One that is not finite has no unit: what it gives is not finite either.
        return xp.where(odd & xp.isfinite(size), size, xp.ones_like(size))

    def scaled(self, n: Array, scale: Array | None, shift: Array | None) -> Array:
        """Return n scale + shift, without either where it is None."""
        if scale is not None:
            n = n * scale
        return n if shift is None else n + shift
