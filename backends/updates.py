"""Generic kernels: optimizer updates and gradient clipping. They write into parameters and their state."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.backends.arrays import Array
from lamina.backends.objectives import LossKernels

__all__ = ["UpdateKernels"]


class UpdateKernels(LossKernels):
    """Updates in place of one parameter and its optimizer state. No gradient is written to."""

    def sgd_update(
        self,
        parameter: Array,
        gradient: Array,
        velocity: Array | None,
        *,
        lr: float,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        """Step parameter -= lr d, where d is the gradient, or its momentum where ``velocity`` is given."""
        if weight_decay:
            gradient = gradient + weight_decay * parameter
        if velocity is not None:
            velocity *= momentum
            velocity += gradient
            gradient = gradient + momentum * velocity if nesterov else velocity
        parameter -= lr * gradient

    def adagrad_update(
        self,
        parameter: Array,
        gradient: Array,
        accumulator: Array,
        *,
        lr: float,
        epsilon: float,
        weight_decay: float = 0.0,
    ) -> None:
        """Step accumulator += g^2; parameter -= lr g / (sqrt(accumulator) + epsilon)."""
        if weight_decay:
            gradient = gradient + weight_decay * parameter
        accumulator += gradient * gradient
        parameter -= lr * gradient / (self.xp.sqrt(accumulator) + epsilon)

    def global_norm(self, arrays: Sequence[Array]) -> Array:
        """Return the Euclidean norm of all arrays taken as one vector, as a device scalar."""
        # Scaled by the largest element, so that squares of float32 neither overflow nor vanish.
        xp = self.xp
        largest = xp.max(xp.stack([xp.max(xp.abs(array)) for array in arrays]))
        safe = xp.where(largest > 0, largest, xp.ones_like(largest))
        squares = [xp.sum((array / safe) ** 2) for array in arrays]
        return safe * xp.sqrt(xp.sum(xp.stack(squares)))

    def clip_global_norm(self, arrays: Sequence[Array], limit: float) -> Array:
        """Scale all arrays in place so that their global norm is at most ``limit``; return the norm before.

        The scaling stays on the device: nothing waits for the norm.
        """
        xp = self.xp
        norm = self.global_norm(arrays)
        scale = limit / xp.maximum(norm, xp.full_like(norm, limit))
        for array in arrays:
            array *= scale
        return norm

    def clip_value(self, array: Array, limit: float) -> None:
        """Bound every element of the array to [-limit, limit], in place."""
        array[...] = self.xp.clip(array, -limit, limit)
