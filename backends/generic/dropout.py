"""Generic kernels: dropout by a mask, see `RandomOperations`."""

from __future__ import annotations

from lamina.backends.arrays import Array, Saved
from lamina.backends.kernels import KernelTable

__all__ = ["DropoutKernels"]


class DropoutKernels(KernelTable):
    """Zeros where a mask says so; what is kept is scaled up, so that the mean stays."""

    def dropout_forward(self, x: Array, keep: Array, *, rate: float) -> tuple[Array, Saved]:
        """Return y = x / (1 - rate) where ``keep``, else 0; keep is bool, of x's shape or broadcast to it."""
        scale = 1 / (1 - rate)
        # A product, not a choice: choosing element by element at random costs a CPU several times as much.
        return x * (self.astype(keep, x.dtype) * scale), (keep, scale)

    def dropout_backward(self, dy: Array, saved: Saved) -> Array:
        """Return dx = dy / (1 - rate) where kept, else 0."""
        keep, scale = saved
        return dy * (self.astype(keep, dy.dtype) * scale)
