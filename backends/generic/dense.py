"""Generic kernels: Dense."""

from __future__ import annotations

from lamina.backends.arrays import Array, Saved
from lamina.backends.kernels import KernelTable, adding

__all__ = ["DenseKernels"]


class DenseKernels(KernelTable):
    """Affine maps of the last axis."""

    def dense_forward(self, x: Array, w: Array, b: Array | None) -> tuple[Array, Saved]:
        """Return y = x w + b for x (..., features), w (features, units), b (units,) or None."""
        y = self.matmul(self.xp.reshape(x, (-1, x.shape[-1])), w)
        if b is not None:
            y += b
        return self.xp.reshape(y, (*x.shape[:-1], w.shape[1])), x

    @adding
    def dense_backward(
        self, dy: Array, saved: Saved, w: Array, *, input_gradient: bool = True
    ) -> tuple[Array | None, Array, Array]:
        """Return dx = dy w^T, None without ``input_gradient``, dw = x^T dy and db = sum dy, over all leading axes."""
        xp, x = self.xp, saved
        rows, dy_rows = xp.reshape(x, (-1, x.shape[-1])), xp.reshape(dy, (-1, dy.shape[-1]))
        dx = xp.reshape(self.matmul(dy_rows, w.T), x.shape) if input_gradient else None
        return dx, self.matmul(rows.T, dy_rows), xp.sum(dy_rows, axis=0)
