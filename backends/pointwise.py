"""Generic kernels: Dense and the pointwise activations."""

from __future__ import annotations

from lamina.backends.arrays import Array, ArrayOperations, Saved

__all__ = ["PointwiseKernels"]


class PointwiseKernels(ArrayOperations):
    """Affine maps and activations. An activation saves its output y, from which the slope follows."""

    def dense_forward(self, x: Array, w: Array, b: Array | None) -> tuple[Array, Saved]:
        """Return y = x w + b for x (..., features), w (features, units), b (units,) or None."""
        y = self.xp.matmul(self.xp.reshape(x, (-1, x.shape[-1])), w)
        if b is not None:
            y += b
        return self.xp.reshape(y, (*x.shape[:-1], w.shape[1])), x

    def dense_backward(
        self, dy: Array, saved: Saved, w: Array, *, input_gradient: bool = True
    ) -> tuple[Array | None, Array, Array]:
        """Return dx = dy w^T, None without ``input_gradient``, dw = x^T dy and db = sum dy, over all leading axes."""
        xp, x = self.xp, saved
        rows, dy_rows = xp.reshape(x, (-1, x.shape[-1])), xp.reshape(dy, (-1, dy.shape[-1]))
        dx = xp.reshape(xp.matmul(dy_rows, w.T), x.shape) if input_gradient else None
        return dx, xp.matmul(rows.T, dy_rows), xp.sum(dy_rows, axis=0)

    def tanh_forward(self, x: Array) -> tuple[Array, Saved]:
        """Return y = tanh(x)."""
        y = self.xp.tanh(x)
        return y, y

    def tanh_backward(self, dy: Array, saved: Saved) -> Array:
        """Return dx = dy (1 - y^2)."""
        return dy * (1 - saved * saved)

    def sigmoid_forward(self, x: Array) -> tuple[Array, Saved]:
        """Return y = 1 / (1 + exp(-x)) as tanh(x/2)/2 + 1/2, which cannot overflow."""
        y = self.xp.tanh(x * 0.5) * 0.5 + 0.5
        return y, y

    def sigmoid_backward(self, dy: Array, saved: Saved) -> Array:
        """Return dx = dy y (1 - y)."""
        return dy * (saved * (1 - saved))

    def relu_forward(self, x: Array) -> tuple[Array, Saved]:
        """Return y = max(x, 0)."""
        y = self.xp.maximum(x, self.zeros((), x.dtype))
        return y, y

    def relu_backward(self, dy: Array, saved: Saved) -> Array:
        """Return dx = dy where y > 0, else 0 (the slope at 0 is taken as 0)."""
        return self.xp.where(saved > 0, dy, self.zeros((), dy.dtype))

    def softmax_forward(self, x: Array) -> tuple[Array, Saved]:
        """Return y = exp(x - max) / sum exp(x - max) over the last axis."""
        y = self.xp.exp(x - self.xp.max(x, axis=-1, keepdims=True))
        y = y / self.xp.sum(y, axis=-1, keepdims=True)
        return y, y

    def softmax_backward(self, dy: Array, saved: Saved) -> Array:
        """Return dx = y (dy - sum(dy y)) over the last axis."""
        return saved * (dy - self.xp.sum(dy * saved, axis=-1, keepdims=True))
