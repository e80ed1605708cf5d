"""Generic kernels: normalization over the features of a step, or over the valid steps of a batch."""

from __future__ import annotations

import math

from lamina.backends.arrays import Array, Saved
from lamina.backends.kernels import KernelTable

__all__ = ["NormalizationKernels"]


class NormalizationKernels(KernelTable):
    """Means of 0 and variances of 1, then a scale and a shift where there are some."""

    def layer_norm_forward(
        self, x: Array, scale: Array | None, shift: Array | None, *, epsilon: float
    ) -> tuple[Array, Saved]:
        """Return n = (x - mean) / sqrt(variance + epsilon), and y = n scale + shift, over the last axis."""
        xp = self.xp
        centred = x - xp.mean(x, axis=-1, keepdims=True)
        inverse = 1 / xp.sqrt(xp.mean(centred * centred, axis=-1, keepdims=True) + epsilon)
        n = centred * inverse
        return self.scaled(n, scale, shift), (n, inverse)

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
        mean = xp.sum(x, axis=axes) / count
        centred = self.zero_past(x - mean, lengths)
        variance = xp.sum(centred * centred, axis=axes) / count
        inverse = 1 / xp.sqrt(variance + epsilon)
        n = centred * inverse
        y = self.zero_past(self.scaled(n, scale, shift), lengths)
        return y, (mean, variance, steps), (n, inverse, lengths, count)

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

    def scaled(self, n: Array, scale: Array | None, shift: Array | None) -> Array:
        """Return n scale + shift, without either where it is None."""
        if scale is not None:
            n = n * scale
        return n if shift is None else n + shift
