"""Generic kernels: optimizer updates. They write into parameters and their state."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from lamina.backends.arrays import Array
from lamina.backends.generic.rows import RowOperations
from lamina.backends.kernels import KernelTable

__all__ = ["UpdateCall", "UpdateKernels", "decayed"]


class UpdateCall(NamedTuple):
    """One call of an update kernel, to be made later.

    Attributes
    ----------
    kernel : str
        The method's name, such as ``"sgd_update"``.
    arrays : tuple of Array
        What it takes by position: parameter, gradient, and state, which may be None.
    settings : mapping of str to value
        What it takes by keyword.
    ids : (n,) Array, optional
        Where given, only these rows are updated: the gradient (n, units) is theirs, and the other arrays are whole
        tables (rows, units).
    """

    kernel: str
    arrays: tuple[Array, ...]
    settings: Mapping[str, Any]
    ids: Array | None = None


class UpdateKernels(KernelTable, RowOperations):
    """Updates in place of one parameter and its optimizer state. No gradient is written to."""

    #: Whether what is done to several arrays is better asked for in one call: see `update_together` and
    #: `add_each`.
    joins_calls: ClassVar[bool] = False

    def update_together(self, calls: Sequence[UpdateCall]) -> None:
        """Run updates of parameters, each of which is updated once; of rows, through copies of them."""
        for kernel, arrays, settings, ids in calls:
            if ids is None:
                getattr(self, kernel)(*arrays, **settings)
                continue
            parameter, gradient, *state = arrays
            tables = (parameter, *state)
            rows = [None if table is None else self.take_rows(table, ids) for table in tables]
            getattr(self, kernel)(rows[0], gradient, *rows[1:], **settings)
            for table, own in zip(tables, rows, strict=True):
                if own is not None:
                    self.put_rows(table, ids, own)

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

    def rmsprop_update(
        self,
        parameter: Array,
        gradient: Array,
        square: Array,
        mean: Array | None,
        velocity: Array | None,
        *,
        lr: float,
        decay: float,
        epsilon: float,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
    ) -> None:
        """Step parameter -= lr g / (sqrt(square - mean^2) + epsilon), or its momentum where ``velocity`` is given.

        ``square`` and ``mean`` are running means of g^2 and g; without ``mean`` it counts as 0.
        """
        xp = self.xp
        if weight_decay:
            gradient = gradient + weight_decay * parameter
        square *= decay
        square += (1 - decay) * (gradient * gradient)
        variance = square
        if mean is not None:
            mean *= decay
            mean += (1 - decay) * gradient
            variance = square - mean * mean
            variance = xp.maximum(variance, xp.zeros_like(variance))  # rounding may leave it below 0
        step = gradient / (xp.sqrt(variance) + epsilon)
        if velocity is not None:
            velocity *= momentum
            velocity += step
            step = velocity
        parameter -= lr * step

    def adadelta_update(
        self,
        parameter: Array,
        gradient: Array,
        square: Array,
        change: Array,
        *,
        lr: float,
        decay: float,
        epsilon: float,
        weight_decay: float = 0.0,
    ) -> None:
        """Step parameter -= lr d, d = g sqrt(change + epsilon) / sqrt(square + epsilon).

        ``square`` and ``change`` are running means of g^2 and d^2.
        """
        sqrt = self.xp.sqrt
        if weight_decay:
            gradient = gradient + weight_decay * parameter
        square *= decay
        square += (1 - decay) * (gradient * gradient)
        step = sqrt(change + epsilon) / sqrt(square + epsilon) * gradient
        change *= decay
        change += (1 - decay) * (step * step)
        parameter -= lr * step

    def adam_update(
        self,
        parameter: Array,
        gradient: Array,
        mean: Array,
        square: Array,
        largest: Array | None,
        *,
        lr: float,
        beta1: float,
        beta2: float,
        epsilon: float,
        step: int,
        weight_decay: float = 0.0,
        decoupled: bool = False,
    ) -> None:
        """Step parameter -= lr m / (sqrt(v) + epsilon), m and v being ``mean`` and ``square`` without their bias.

        ``mean`` and ``square`` are running means of g and g^2, and ``step`` counts from 1. Where ``largest`` is
        given, it is the largest ``square`` so far, and takes its place. Decoupled, the decay shrinks the
        parameter instead of being added to the gradient.
        """
        xp = self.xp
        gradient = decayed(parameter, gradient, lr, weight_decay, decoupled)
        mean *= beta1
        mean += (1 - beta1) * gradient
        square *= beta2
        square += (1 - beta2) * (gradient * gradient)
        if largest is not None:
            largest[...] = xp.maximum(largest, square)
            square = largest
        root = xp.sqrt(square) / math.sqrt(1 - beta2**step)
        parameter -= (lr / (1 - beta1**step)) * mean / (root + epsilon)

    def nadam_update(
        self,
        parameter: Array,
        gradient: Array,
        mean: Array,
        square: Array,
        *,
        lr: float,
        beta1: float,
        beta2: float,
        epsilon: float,
        step: int,
        shares: tuple[float, float],
        weight_decay: float = 0.0,
        decoupled: bool = False,
    ) -> None:
        """Step parameter -= lr (a g + b m) / (sqrt(v) + epsilon), a and b being ``shares``, v without its bias.

        ``mean`` and ``square`` are m and v, the running means of g and g^2; decoupled as for `adam_update`.
        """
        gradient = decayed(parameter, gradient, lr, weight_decay, decoupled)
        mean *= beta1
        mean += (1 - beta1) * gradient
        square *= beta2
        square += (1 - beta2) * (gradient * gradient)
        root = self.xp.sqrt(square) / math.sqrt(1 - beta2**step)
        parameter -= lr * (shares[0] * gradient + shares[1] * mean) / (root + epsilon)

    def radam_update(
        self,
        parameter: Array,
        gradient: Array,
        mean: Array,
        square: Array,
        *,
        lr: float,
        beta1: float,
        beta2: float,
        epsilon: float,
        step: int,
        rectified: float,
        weight_decay: float = 0.0,
        decoupled: bool = False,
    ) -> None:
        """Step parameter -= lr r m sqrt(1 - beta2^step) / (sqrt(v) + epsilon), r being ``rectified``; lr m if 0.

        ``mean`` and ``square`` are m, whose bias is corrected, and v; decoupled as for `adam_update`.
        """
        gradient = decayed(parameter, gradient, lr, weight_decay, decoupled)
        mean *= beta1
        mean += (1 - beta1) * gradient
        square *= beta2
        square += (1 - beta2) * (gradient * gradient)
        rate = lr / (1 - beta1**step)
        if rectified:
            parameter -= (rate * rectified * math.sqrt(1 - beta2**step)) * mean / (self.xp.sqrt(square) + epsilon)
        else:
            parameter -= rate * mean

    def adamax_update(
        self,
        parameter: Array,
        gradient: Array,
        mean: Array,
        largest: Array,
        *,
        lr: float,
        beta1: float,
        beta2: float,
        epsilon: float,
        step: int,
        weight_decay: float = 0.0,
    ) -> None:
        """Step largest = max(beta2 largest, abs(g) + epsilon); parameter -= lr m / largest, m without its bias."""
        xp = self.xp
        if weight_decay:
            gradient = gradient + weight_decay * parameter
        mean *= beta1
        mean += (1 - beta1) * gradient
        largest[...] = xp.maximum(beta2 * largest, xp.abs(gradient) + epsilon)
        parameter -= (lr / (1 - beta1**step)) * mean / largest

    def lion_update(
        self,
        parameter: Array,
        gradient: Array,
        mean: Array,
        *,
        lr: float,
        beta1: float,
        beta2: float,
        weight_decay: float = 0.0,
    ) -> None:
        """Step parameter -= lr (sign(beta1 mean + (1 - beta1) g) + weight_decay parameter), then the mean by beta2."""
        direction = self.xp.sign(beta1 * mean + (1 - beta1) * gradient)
        if weight_decay:
            parameter *= 1 - lr * weight_decay
        parameter -= lr * direction
        mean *= beta2
        mean += (1 - beta2) * gradient


def decayed(parameter: Array, gradient: Array, lr: float, weight_decay: float, decoupled: bool) -> Array:
    """Shrink the parameter by its decay, or return the gradient with that added."""
    if weight_decay and decoupled:
        parameter *= 1 - lr * weight_decay
    elif weight_decay:
        gradient = gradient + weight_decay * parameter
    return gradient
