"""Generic kernels: batch normalization over the valid steps of several ranks' rows."""

from __future__ import annotations

import math
from collections.abc import Callable

from lamina.backends.arrays import Array, Saved
from lamina.backends.generic.normalization import NormalizationKernels

__all__ = ["SharedNormalizationKernels"]


class SharedNormalizationKernels(NormalizationKernels):
    """What `batch_norm` does, where each rank has some of the rows: sums go over all, in float64."""

    def batch_norm_over_ranks(
        self,
        x: Array,
        scale: Array | None,
        shift: Array | None,
        lengths: Array | None,
        total: Callable[[Array], Array],
        *,
        epsilon: float,
    ) -> tuple[Array, tuple[Array, Array, int], Saved]:
        """Normalize every feature over all valid steps of all ranks' batches.

        Parameters
        ----------
        x : (batch, ..., features)
            Of no rows too: all ranks call this.
        scale, shift : (features,) or None
        lengths : (batch,) integers on the host, or None
        total : callable
            Takes an array, and returns the sum of those of all ranks.

        Returns
        -------
        y, statistics, saved : as of `batch_norm_forward`; the statistics are of all ranks
        """
        xp, double = self.xp, self.dtype("float64")
        axes = tuple(range(x.ndim - 1))
        steps = math.prod(x.shape[:-1]) if lengths is None else int(lengths.sum()) * math.prod(x.shape[2:-1])
        wide = self.zero_past(self.astype(x, double), lengths)
        own = self.zeros((1,), double) + float(steps)
        sums = total(self.concatenate([xp.sum(wide, axis=axes), own], 0))
        steps = round(self.item(sums[-1]))
        count = max(steps, 1)
        mean = sums[:-1] / count
        centred = self.zero_past(wide - mean, lengths)
        variance = total(xp.sum(centred * centred, axis=axes)) / count
        inverse = 1 / xp.sqrt(variance + epsilon)
        n = self.astype(centred * inverse, x.dtype)
        y = self.zero_past(self.scaled(n, scale, shift), lengths)
        mean, variance, inverse = (self.astype(one, x.dtype) for one in (mean, variance, inverse))
        return y, (mean, variance, steps), (n, inverse, lengths, count, total)

    def batch_norm_over_ranks_gradient(
        self, dy: Array, saved: Saved, scale: Array | None
    ) -> tuple[Array, Array, Array]:
        """Return dx as `batch_norm_backward` does, of all ranks' rows; dscale and dshift of this one's."""
        xp, double = self.xp, self.dtype("float64")
        n, inverse, lengths, count, total = saved
        axes = tuple(range(dy.ndim - 1))
        dy = self.zero_past(dy, lengths)
        wide = self.astype(dy, double)
        along, plain = xp.sum(wide * self.astype(n, double), axis=axes), xp.sum(wide, axis=axes)
        sums = total(self.concatenate([along, plain], 0)) / count
        features = dy.shape[-1]
        dscale, dshift, mean_along, mean = (
            self.astype(one, dy.dtype) for one in (along, plain, sums[:features], sums[features:])
        )
        factor = inverse if scale is None else inverse * scale
        dx = factor * (dy - mean - n * mean_along)
        return self.zero_past(dx, lengths), dscale, dshift
