"""All gradients at once on CUDA: their norm, clipping, whether they are finite, additions to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.backends.arrays import Array, Gradients
from lamina.backends.cupy.compiled import THREADS
from lamina.backends.cupy.segments import SegmentKernels, Segments, apart
from lamina.backends.generic.clipping import ClippingKernels

__all__ = ["CuPyClippingKernels"]

# Blocks that sum squares: each has three sums, which every block that clips reads.
_BLOCKS = 512


class CuPyClippingKernels(SegmentKernels, ClippingKernels):
    """One or two launches, however many arrays there are. Sums are double, in an order that their sizes settle."""

    def global_norm(self, arrays: Sequence[Array]) -> Array:
        """Return the Euclidean norm of all arrays taken as one vector, as a device scalar; as the generic kernel."""
        segments = self.segments(arrays)
        if segments is None:
            return super().global_norm(arrays)
        return self._norm(segments, None)

    def clip_global_norm(self, arrays: Sequence[Array], limit: float) -> Array:
        """Scale all arrays in place so that their global norm is at most ``limit``; return the norm before."""
        segments = self.segments(arrays)
        if segments is None or not apart(arrays):
            return super().clip_global_norm(arrays, limit)
        return self._norm(segments, limit)

    def _norm(self, segments: Segments, limit: float | None) -> Array:
        dtype, total = segments.dtype, np.int64(segments.total)
        if not total:
            return self.zeros((), dtype)
        norm, blocks = self.empty((), dtype), min(segments.parts, _BLOCKS)
        squares = self.empty((blocks, 3), np.dtype("float64"))
        kernel = self.segment_kernel("sum_squares", dtype)
        kernel((blocks,), (THREADS,), (segments.table, total, squares))
        kernel = self.segment_kernel("scale_to_norm", dtype)
        if limit is None:  # nothing is scaled
            blocks, total, limit = 1, np.int64(0), 1.0
        count = np.int32(squares.shape[0])
        kernel((blocks,), (THREADS,), (segments.table, total, squares, count, _rounded(limit, dtype), norm))
        return norm

    def clip_value(self, array: Array, limit: float) -> None:
        """Bound every element of the array to [-limit, limit], in place; NaN stays NaN."""
        self.clip_values([array], limit)

    def clip_values(self, arrays: Sequence[Array], limit: float) -> None:
        """Bound every element of all arrays to [-limit, limit], in place; NaN stays NaN."""
        segments = self.segments(arrays)
        if segments is None:
            for array in arrays:
                super().clip_value(array, limit)
        else:  # what is bounded twice is bounded
            self.over_segments("clip_values", segments, _rounded(limit, segments.dtype))

    def all_finite(self, array: Array) -> bool:
        """Tell whether no element is NaN or infinite; waits for the device."""
        return self.every_finite([array])

    def every_finite(self, arrays: Sequence[Array]) -> bool:
        """Tell whether no element of any array is NaN or infinite; waits for the device once."""
        segments = self.segments(arrays)
        if segments is None:
            return bool(self.xp.all(self.xp.stack([self.xp.all(self.xp.isfinite(array)) for array in arrays])))
        found = self.zeros((), np.dtype("int32"))
        self.over_segments("find_non_finite", segments, found)
        return not int(found)

    def add_gradients(self, gradients: Gradients | None, fresh: Sequence[Array | None]) -> Any:
        """Return the gradients of weights, new or added to where they belong: all of them by one launch."""
        if gradients is None:
            return fresh
        targets = gradients()
        pairs = [pair for pair in zip(targets, fresh, strict=False) if pair[0] is not None]
        if pairs:
            self.add_each([target for target, _ in pairs], [one for _, one in pairs])
        return (*targets, *fresh[len(targets) :])

    def add_each(self, arrays: Sequence[Array], others: Sequence[Array]) -> None:
        """Add to each array, in place, the one of its place among the others."""
        segments = self.segments(arrays, others)
        if segments is None or not apart([*arrays, *others]):
            super().add_each(arrays, others)
        else:
            self.over_segments("add_each", segments)


def _rounded(number: float, dtype: Any) -> Any:
    """Return a number as a kernel takes it; what float32 cannot hold is infinite."""
    with np.errstate(over="ignore"):
        return dtype.type(number)
