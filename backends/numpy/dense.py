"""NumPy's kernels for Dense: products in place, of a recurrent layer's output as it lies."""

from __future__ import annotations

from lamina.backends.arrays import Array, Gradients, Saved
from lamina.backends.backend import Backend
from lamina.backends.kernels import added
from lamina.backends.numpy.products import rows_product

__all__ = ["NumPyDenseKernels"]


class NumPyDenseKernels(Backend):
    """Affine maps of the last axis."""

    def dense_forward(self, x: Array, w: Array, b: Array | None) -> tuple[Array, Saved]:
        """Return y = x w + b; a recurrent layer's time-major view is taken, and given on, without a copy."""
        time_major = x.ndim == 3 and not x.flags.c_contiguous and x.strides[1] > x.strides[0]
        rows = x.transpose(1, 0, 2) if time_major else x
        shape = (*rows.shape[:-1], w.shape[1])
        rows = rows.reshape(-1, x.shape[-1])
        y = self.empty((len(rows), w.shape[1]), w.dtype)
        rows_product(rows, w, y)
        if b is not None:
            y += b
        y = y.reshape(shape)
        return (y.transpose(1, 0, 2) if time_major else y), (rows, shape, time_major)

    def dense_backward(
        self,
        dy: Array,
        saved: Saved,
        w: Array,
        *,
        input_gradient: bool = True,
        gradients: Gradients | None = None,
    ) -> tuple[Array | None, Array, Array]:
        """Return dx = dy w^T, None without ``input_gradient``, dw = x^T dy and db = sum dy."""
        rows, shape, time_major = saved
        dy_rows = (dy.transpose(1, 0, 2) if time_major else dy).reshape(-1, shape[-1])
        dx = None
        if input_gradient:
            dx = dy_rows.dot(w.T).reshape(*shape[:-1], w.shape[0])
            dx = dx.transpose(1, 0, 2) if time_major else dx
        db = self.full((len(rows),), 1.0, w.dtype).dot(dy_rows)  # quicker than a sum
        dw, db = added(gradients, (rows.T.dot(dy_rows), db))
        return dx, dw, db
