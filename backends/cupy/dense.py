"""Dense on CUDA: the product that gives the gradient of w adds to it where it lies."""

from __future__ import annotations

from lamina.backends.arrays import Array, Gradients, Saved
from lamina.backends.cupy.products import Products
from lamina.backends.generic.dense import DenseKernels

__all__ = ["CuPyDenseKernels"]


class CuPyDenseKernels(Products, DenseKernels):
    """Affine maps of the last axis."""

    def dense_forward(self, x: Array, w: Array, b: Array | None) -> tuple[Array, Saved]:
        """Return y = x w + b for x (..., features), w (features, units), b (units,) or None."""
        rows = self.contiguous(x).reshape(-1, w.shape[0])
        y = self.matmul(rows, w)
        if b is not None:
            y += b
        return y.reshape(*x.shape[:-1], w.shape[1]), (rows, x.shape)

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
        rows, shape = saved
        dy_rows = self.contiguous(dy).reshape(-1, w.shape[1])
        dx = self.matmul(dy_rows, w.T).reshape(shape) if input_gradient else None
        db = dy_rows.sum(axis=0)
        dw, db_to = (None, None) if gradients is None else gradients()
        adds = dw is not None
        if dw is None:
            dw = self.empty(w.shape, w.dtype)
        self.product(self.as_operand(rows).T, self.as_operand(dy_rows), dw, add=adds)()
        if db_to is None:
            return dx, dw, db
        db_to += db
        return dx, dw, db_to
