"""Updates of weights, element by element: SGD, AdaGrad, AdaDelta, RMSprop and Lion.

What they compute, in this order, is what NumPy's kernels do; settings are rounded to the dtype where these do it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lamina.backends.numba.engine.forms.update import UpdateForm, arrays_of, decayed, settings_of, update_at
from lamina.backends.numba.engine.memory import exactly, separate

__all__ = ["AdaDeltaForm", "AdaGradForm", "LionForm", "RMSpropForm", "SGDForm"]


class SGDForm(UpdateForm):
    """With momentum, Nesterov's or not, and decay."""

    name = "sgd"
    takes = "momentum nesterov weight_decay"


@exactly
def _sgd_plain(size: Any, rate: Any, decay: Any, weights: Any, gradient: Any) -> None:
    separate()
    for k in range(size):
        weights[k] -= rate * decayed(gradient[k], weights[k], decay)


@exactly
def _sgd_momentum(
    size: Any, rate: Any, momentum: Any, nesterov: Any, decay: Any, weights: Any, gradient: Any, velocity: Any
) -> None:
    separate()
    for k in range(size):
        own = decayed(gradient[k], weights[k], decay)
        velocity[k] = momentum * velocity[k] + own
        weights[k] -= rate * (own + momentum * velocity[k] if nesterov else velocity[k])


@exactly
def _sgd(address: Any, dtype: Any) -> None:
    p = update_at(address)
    s, (weights, gradient, velocity, _, _) = settings_of(p), arrays_of(p, dtype)
    rate, momentum, decay = dtype(s[0]), dtype(s[1]), dtype(s[3])
    if p.first == 0:
        _sgd_plain(p.size, rate, decay, weights, gradient)
    else:
        _sgd_momentum(p.size, rate, momentum, s[2] != 0, decay, weights, gradient, velocity)


class AdaGradForm(UpdateForm):
    """Of squared gradients added up."""

    name = "adagrad"
    needs = "lr epsilon"
    takes = "weight_decay"


@exactly
def _adagrad_loop(size: Any, rate: Any, epsilon: Any, decay: Any, weights: Any, gradient: Any, squares: Any) -> None:
    separate()
    for k in range(size):
        own = decayed(gradient[k], weights[k], decay)
        squares[k] += own * own
        weights[k] -= own / (math.sqrt(squares[k]) + epsilon) * rate


@exactly
def _adagrad(address: Any, dtype: Any) -> None:
    p = update_at(address)
    s, (weights, gradient, squares, _, _) = settings_of(p), arrays_of(p, dtype)
    _adagrad_loop(p.size, dtype(s[0]), dtype(s[1]), dtype(s[2]), weights, gradient, squares)


class AdaDeltaForm(UpdateForm):
    """Of running means of squared gradients and steps."""

    name = "adadelta"
    needs = "lr decay epsilon"
    takes = "weight_decay"


@exactly
def _adadelta_loop(
    size: Any, rate: Any, keep: Any, rest: Any, epsilon: Any, decay: Any, weights: Any, gradient: Any, squares: Any,
    changes: Any,
) -> None:  # fmt: skip
    separate()
    for k in range(size):
        own = decayed(gradient[k], weights[k], decay)
        squares[k] = squares[k] * keep + own * own * rest
        step = math.sqrt((changes[k] + epsilon) / (squares[k] + epsilon)) * own
        changes[k] = changes[k] * keep + step * step * rest
        weights[k] -= step * rate


@exactly
def _adadelta(address: Any, dtype: Any) -> None:
    p = update_at(address)
    s, (weights, gradient, squares, changes, _) = settings_of(p), arrays_of(p, dtype)
    keep, rest = dtype(s[1]), dtype(1 - s[1])
    _adadelta_loop(p.size, dtype(s[0]), keep, rest, dtype(s[2]), dtype(s[3]), weights, gradient, squares, changes)


class RMSpropForm(UpdateForm):
    """Centered or not, with momentum or without."""

    name = "rmsprop"
    needs = "lr decay epsilon"
    takes = "momentum weight_decay"


@exactly
def _rmsprop_loop(
    size: Any, rate: Any, keep: Any, rest: Any, epsilon: Any, decay: Any, momentum: Any, centered: Any, moving: Any,
    weights: Any, gradient: Any, squares: Any, means: Any, velocity: Any,
) -> None:  # fmt: skip
    separate()
    zero = weights.dtype.type(0)
    for k in range(size):
        own = decayed(gradient[k], weights[k], decay)
        squares[k] = squares[k] * keep + own * own * rest
        variance = squares[k]
        if centered:
            means[k] = means[k] * keep + own * rest
            variance -= means[k] * means[k]
            variance = variance if variance > 0 or variance != variance else zero
        step = own / (math.sqrt(variance) + epsilon)
        if moving:
            velocity[k] = velocity[k] * momentum + step
            step = velocity[k]
        weights[k] -= step * rate


@exactly
def _rmsprop(address: Any, dtype: Any) -> None:
    p = update_at(address)
    s, (weights, gradient, squares, means, velocity) = settings_of(p), arrays_of(p, dtype)
    _rmsprop_loop(
        p.size, dtype(s[0]), dtype(s[1]), dtype(1 - s[1]), dtype(s[2]), dtype(s[4]), dtype(s[3]), p.second != 0,
        p.third != 0, weights, gradient, squares, means, velocity,
    )  # fmt: skip


class LionForm(UpdateForm):
    """By the sign of a mean of gradients."""

    name = "lion"
    needs = "lr beta1 beta2"
    takes = "weight_decay"


@exactly
def _lion_loop(
    size: Any, rate: Any, shrink: Any, keep: Any, rest: Any, keep_after: Any, rest_after: Any, weights: Any,
    gradient: Any, means: Any,
) -> None:  # fmt: skip
    separate()
    one = weights.dtype.type(1)
    for k in range(size):
        step = gradient[k] * rest + keep * means[k]
        sign = one if step > 0 else -one if step < 0 else step  # 0 and NaN are what they are
        weights[k] = (weights[k] * shrink if shrink != one else weights[k]) - sign * rate
        means[k] = means[k] * keep_after + gradient[k] * rest_after


@exactly
def _lion(address: Any, dtype: Any) -> None:
    p = update_at(address)
    s, (weights, gradient, means, _, _) = settings_of(p), arrays_of(p, dtype)
    rate, beta1, beta2 = s[0], s[1], s[2]
    _lion_loop(
        p.size, dtype(rate), dtype(1 - rate * s[3]), dtype(beta1), dtype(1 - beta1), dtype(beta2), dtype(1 - beta2),
        weights, gradient, means,
    )  # fmt: skip


def sgd_float32(address: Any) -> None:
    """Step."""
    _sgd(address, np.float32)


def sgd_float64(address: Any) -> None:
    """Step."""
    _sgd(address, np.float64)


def adagrad_float32(address: Any) -> None:
    """Step."""
    _adagrad(address, np.float32)


def adagrad_float64(address: Any) -> None:
    """Step."""
    _adagrad(address, np.float64)


def adadelta_float32(address: Any) -> None:
    """Step."""
    _adadelta(address, np.float32)


def adadelta_float64(address: Any) -> None:
    """Step."""
    _adadelta(address, np.float64)


def rmsprop_float32(address: Any) -> None:
    """Step."""
    _rmsprop(address, np.float32)


def rmsprop_float64(address: Any) -> None:
    """Step."""
    _rmsprop(address, np.float64)


def lion_float32(address: Any) -> None:
    """Step."""
    _lion(address, np.float32)


def lion_float64(address: Any) -> None:
    """Step."""
    _lion(address, np.float64)
