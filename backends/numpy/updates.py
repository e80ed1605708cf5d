"""NumPy's optimizer updates: in place, with one array of scratch where that is enough."""

from __future__ import annotations

import math

import numpy as np

from lamina.backends.arrays import Array
from lamina.backends.backend import Backend
from lamina.backends.generic.updates import decayed

__all__ = ["NumPyUpdateKernels"]


class NumPyUpdateKernels(Backend):
    """Updates that allocate as little as they can: over a large model memory is all that an update waits for."""

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
        step = gradient * lr if velocity is None and not weight_decay else gradient.copy()
        if weight_decay:
            step += weight_decay * parameter
        if velocity is not None:
            velocity *= momentum
            velocity += step
            if nesterov:
                step += momentum * velocity
            else:
                step[...] = velocity
        if velocity is not None or weight_decay:
            step *= lr
        parameter -= step

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
        step = gradient * gradient
        accumulator += step
        np.sqrt(accumulator, out=step)
        step += epsilon
        np.divide(gradient, step, out=step)
        step *= lr
        parameter -= step

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
        """Step parameter -= lr g / (sqrt(square - mean^2) + epsilon), or its momentum where ``velocity`` is given."""
        if weight_decay:
            gradient = gradient + weight_decay * parameter
        step = _track_square(square, gradient, decay)
        if mean is None:
            np.sqrt(square, out=step)
        else:
            _track(mean, gradient, decay, step)
            np.multiply(mean, mean, out=step)
            np.subtract(square, step, out=step)
            np.maximum(step, 0, out=step)  # rounding may leave it below 0
            np.sqrt(step, out=step)
        step += epsilon
        np.divide(gradient, step, out=step)
        if velocity is not None:
            velocity *= momentum
            velocity += step
            np.multiply(velocity, lr, out=step)
        else:
            step *= lr
        parameter -= step

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
        """Step parameter -= lr d, d = g sqrt(change + epsilon) / sqrt(square + epsilon)."""
        if weight_decay:
            gradient = gradient + weight_decay * parameter
        scratch = _track_square(square, gradient, decay)
        np.add(square, epsilon, out=scratch)
        step = change + epsilon
        step /= scratch
        np.sqrt(step, out=step)
        step *= gradient
        np.multiply(step, step, out=scratch)
        scratch *= 1 - decay
        change *= decay
        change += scratch
        step *= lr
        parameter -= step

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
        """Step parameter -= lr m / (sqrt(v) + epsilon), m and v being ``mean`` and ``square`` without their bias."""
        gradient = decayed(parameter, gradient, lr, weight_decay, decoupled)
        scratch = _track_square(square, gradient, beta2)
        _track(mean, gradient, beta1, scratch)
        if largest is not None:
            np.maximum(largest, square, out=largest)
            square = largest
        # Both corrections are drawn out of the arrays: lr and epsilon take them up.
        root = math.sqrt(1 - beta2**step)
        np.sqrt(square, out=scratch)
        scratch += epsilon * root
        np.divide(mean, scratch, out=scratch)
        scratch *= lr * root / (1 - beta1**step)
        parameter -= scratch

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
        """Step parameter -= lr (a g + b m) / (sqrt(v) + epsilon), a and b being ``shares``, v without its bias."""
        gradient = decayed(parameter, gradient, lr, weight_decay, decoupled)
        scratch = _track_square(square, gradient, beta2)
        _track(mean, gradient, beta1, scratch)
        root = math.sqrt(1 - beta2**step)
        moved = gradient * (lr * root * shares[0])
        np.multiply(mean, lr * root * shares[1], out=scratch)
        moved += scratch
        np.sqrt(square, out=scratch)
        scratch += epsilon * root
        moved /= scratch
        parameter -= moved

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
        """Step parameter -= lr r m sqrt(1 - beta2^step) / (sqrt(v) + epsilon), r being ``rectified``; lr m if 0."""
        gradient = decayed(parameter, gradient, lr, weight_decay, decoupled)
        scratch = _track_square(square, gradient, beta2)
        _track(mean, gradient, beta1, scratch)
        rate = lr / (1 - beta1**step)
        if rectified:
            np.sqrt(square, out=scratch)
            scratch += epsilon
            np.divide(mean, scratch, out=scratch)
            scratch *= rate * rectified * math.sqrt(1 - beta2**step)
        else:
            np.multiply(mean, rate, out=scratch)
        parameter -= scratch

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
        if weight_decay:
            gradient = gradient + weight_decay * parameter
        scratch = np.abs(gradient, out=np.empty_like(largest))
        scratch += epsilon
        largest *= beta2
        np.maximum(largest, scratch, out=largest)
        _track(mean, gradient, beta1, scratch)
        np.divide(mean, largest, out=scratch)
        scratch *= lr / (1 - beta1**step)
        parameter -= scratch

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
        step = np.multiply(gradient, 1 - beta1, out=np.empty_like(mean))
        step += beta1 * mean
        np.sign(step, out=step)
        step *= lr
        if weight_decay:
            parameter *= 1 - lr * weight_decay
        parameter -= step
        _track(mean, gradient, beta2, step)


def _track(mean: Array, values: Array, decay: float, scratch: Array) -> None:
    """Take values into a running mean."""
    np.multiply(values, 1 - decay, out=scratch)
    mean *= decay
    mean += scratch


def _track_square(mean: Array, values: Array, decay: float) -> Array:
    """Take values' squares into a running mean; return an array of scratch."""
    scratch = np.multiply(values, values, out=np.empty_like(mean))
    scratch *= 1 - decay
    mean *= decay
    mean += scratch
    return scratch
