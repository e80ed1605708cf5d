"""Generic kernels: what is done to all gradients at once. They write into gradients."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from lamina.backends.arrays import Array
from lamina.backends.kernels import KernelTable

__all__ = ["ClippingKernels"]


class ClippingKernels(KernelTable):
    """The norm of several arrays, clipping, and additions to them."""

    def global_norm(self, arrays: Sequence[Array]) -> Array:
        """Return the Euclidean norm of all arrays taken as one vector, as a device scalar.

        It is infinite where an element is, and NaN where one is NaN. Empty arrays count as 0.
        """
        # Scaled by the largest element, so that squares of float32 neither overflow nor vanish.
        xp = self.xp
        filled = [array for array in arrays if 0 not in array.shape]
        if not filled:
            return xp.sum(arrays[0])
        # One after the other: an array of them would need to be told on a device where each of them lies.
        largest = reduce(xp.maximum, [xp.max(xp.abs(array)) for array in filled])
        safe = xp.where(largest > 0, largest, xp.ones_like(largest))
        square = reduce(xp.add, [xp.sum((array / safe) ** 2) for array in filled])
        # What is infinite, divided by itself, would make the norm NaN.
        return xp.where(xp.isfinite(largest), safe * xp.sqrt(square), largest)

    def clip_global_norm(self, arrays: Sequence[Array], limit: float) -> Array:
        """Scale all arrays in place so that their global norm is at most ``limit``; return the norm before.

        The scaling stays on the device: nothing waits for the norm. Where that is infinite, what is finite becomes 0
        and what is infinite NaN; where it is NaN, everything does. So it is in PyTorch.
        """
        xp = self.xp
        norm = self.global_norm(arrays)
        scale = limit / xp.maximum(norm, xp.full_like(norm, limit))
        for array in arrays:
            array *= scale
        return norm

    def clip_value(self, array: Array, limit: float) -> None:
        """Bound every element of the array to [-limit, limit], in place; NaN stays NaN."""
        array[...] = self.xp.clip(array, -limit, limit)

    def clip_values(self, arrays: Sequence[Array], limit: float) -> None:
        """Bound every element of all arrays to [-limit, limit], in place; NaN stays NaN."""
        for array in arrays:
            self.clip_value(array, limit)

    def add_each(self, arrays: Sequence[Array], others: Sequence[Array]) -> None:
        """Add to each array, in place, the one of its place among the others."""
        for array, other in zip(arrays, others, strict=True):
            array += other
