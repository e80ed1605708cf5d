"""Updates of weights of Adam's kind: Adam, AMSGrad, NAdam, RAdam and Adamax. See `updates`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lamina.backends.numba.engine.forms.update import UpdateForm, arrays_of, decayed, settings_of, update_at
from lamina.backends.numba.engine.memory import exactly, inside, separate

__all__ = ["AdamForm", "AdamaxForm", "NAdamForm", "RAdamForm"]


class AdamForm(UpdateForm):
    """With the largest mean of squares or without."""

    name = "adam"
    needs = "lr beta1 beta2 epsilon step"
    takes = "weight_decay decoupled"


@exactly
def _shrink(rate: Any, decay: Any, decoupled: Any) -> Any:
    """Return by what weights are multiplied first."""
    return 1 - rate * decay if decoupled != 0 else 1.0


@exactly
def _own_decay(decay: Any, decoupled: Any) -> Any:
    """Return the share of the weights that is added to the gradient."""
    return 0.0 if decoupled != 0 else decay


@exactly
def _follow(
    k: Any, keep: Any, rest: Any, keep_square: Any, rest_square: Any, decay: Any, shrink: Any, weights: Any,
    gradient: Any, means: Any, squares: Any,
) -> Any:  # fmt: skip
    """Let the means follow a number's gradient; return the number and the gradient, both with the decay."""
    inside()
    weight = weights[k] * shrink if shrink != 1 else weights[k]
    own = decayed(gradient[k], weight, decay)
    squares[k] = squares[k] * keep_square + own * own * rest_square
    means[k] = means[k] * keep + own * rest
    return weight, own


@exactly
def _adam_loop(
    size: Any, rate: Any, keep: Any, rest: Any, keep_square: Any, rest_square: Any, epsilon: Any, decay: Any,
    shrink: Any, bounded: Any, weights: Any, gradient: Any, means: Any, squares: Any, largest: Any,
) -> None:  # fmt: skip
    separate()
    for k in range(size):
        weight, _ = _follow(k, keep, rest, keep_square, rest_square, decay, shrink, weights, gradient, means, squares)
        square = squares[k]
        if bounded:
            square = largest[k] if largest[k] > square or largest[k] != largest[k] else square
            largest[k] = square
        weights[k] = weight - means[k] / (math.sqrt(square) + epsilon) * rate


@exactly
def _adam(address: Any, dtype: Any) -> None:
    p = update_at(address)
    s, (weights, gradient, means, squares, largest) = settings_of(p), arrays_of(p, dtype)
    rate, beta1, beta2, step, decay, decoupled = s[0], s[1], s[2], s[4], s[5], s[6]
    root = math.sqrt(1 - beta2**step)
    _adam_loop(
        p.size, dtype(rate * root / (1 - beta1**step)), dtype(beta1), dtype(1 - beta1), dtype(beta2),
        dtype(1 - beta2), dtype(s[3] * root), dtype(_own_decay(decay, decoupled)),
        dtype(_shrink(rate, decay, decoupled)), p.third != 0, weights, gradient, means, squares, largest,
    )  # fmt: skip


class NAdamForm(UpdateForm):
    """With Nesterov's momentum."""

    name = "nadam"
    needs = "lr beta1 beta2 epsilon step shares:2"
    takes = "weight_decay decoupled"


@exactly
def _nadam_loop(
    size: Any, of_gradient: Any, of_mean: Any, keep: Any, rest: Any, keep_square: Any, rest_square: Any, epsilon: Any,
    decay: Any, shrink: Any, weights: Any, gradient: Any, means: Any, squares: Any,
) -> None:  # fmt: skip
    separate()
    for k in range(size):
        weight, own = _follow(k, keep, rest, keep_square, rest_square, decay, shrink, weights, gradient, means, squares)
        weights[k] = weight - (own * of_gradient + means[k] * of_mean) / (math.sqrt(squares[k]) + epsilon)


@exactly
def _nadam(address: Any, dtype: Any) -> None:
    p = update_at(address)
    s, (weights, gradient, means, squares, _) = settings_of(p), arrays_of(p, dtype)
    rate, beta1, beta2, step, decay, decoupled = s[0], s[1], s[2], s[4], s[7], s[8]
    root = math.sqrt(1 - beta2**step)
    _nadam_loop(
        p.size, dtype(rate * root * s[5]), dtype(rate * root * s[6]), dtype(beta1), dtype(1 - beta1), dtype(beta2),
        dtype(1 - beta2), dtype(s[3] * root), dtype(_own_decay(decay, decoupled)),
        dtype(_shrink(rate, decay, decoupled)), weights, gradient, means, squares,
    )  # fmt: skip


class RAdamForm(UpdateForm):
    """Rectified: without squares while these are over too few steps."""

    name = "radam"
    needs = "lr beta1 beta2 epsilon step rectified"
    takes = "weight_decay decoupled"


@exactly
def _radam_loop(
    size: Any, rate: Any, divided: Any, keep: Any, rest: Any, keep_square: Any, rest_square: Any, epsilon: Any,
    decay: Any, shrink: Any, weights: Any, gradient: Any, means: Any, squares: Any,
) -> None:  # fmt: skip
    separate()
    for k in range(size):
        weight, _ = _follow(k, keep, rest, keep_square, rest_square, decay, shrink, weights, gradient, means, squares)
        step = means[k] / (math.sqrt(squares[k]) + epsilon) if divided else means[k]
        weights[k] = weight - step * rate


@exactly
def _radam(address: Any, dtype: Any) -> None:
    p = update_at(address)
    s, (weights, gradient, means, squares, _) = settings_of(p), arrays_of(p, dtype)
    beta1, beta2, step, rectified, decay, decoupled = s[1], s[2], s[4], s[5], s[6], s[7]
    rate = s[0] / (1 - beta1**step)
    if rectified != 0:
        rate = rate * rectified * math.sqrt(1 - beta2**step)
    _radam_loop(
        p.size, dtype(rate), rectified != 0, dtype(beta1), dtype(1 - beta1), dtype(beta2), dtype(1 - beta2),
        dtype(s[3]), dtype(_own_decay(decay, decoupled)), dtype(_shrink(s[0], decay, decoupled)), weights, gradient,
        means, squares,
    )  # fmt: skip


class AdamaxForm(UpdateForm):
    """By the largest gradient, which fades."""

    name = "adamax"
    needs = "lr beta1 beta2 epsilon step"
    takes = "weight_decay"


@exactly
def _adamax_loop(
    size: Any, rate: Any, keep: Any, rest: Any, fade: Any, epsilon: Any, decay: Any, weights: Any, gradient: Any,
    means: Any, largest: Any,
) -> None:  # fmt: skip
    separate()
    for k in range(size):
        own = decayed(gradient[k], weights[k], decay)
        much, before = abs(own) + epsilon, largest[k] * fade
        largest[k] = before if before > much or before != before else much
        means[k] = means[k] * keep + own * rest
        weights[k] -= means[k] / largest[k] * rate


@exactly
def _adamax(address: Any, dtype: Any) -> None:
    p = update_at(address)
    s, (weights, gradient, means, largest, _) = settings_of(p), arrays_of(p, dtype)
    rate, beta1 = s[0] / (1 - s[1] ** s[4]), s[1]
    _adamax_loop(
        p.size, dtype(rate), dtype(beta1), dtype(1 - beta1), dtype(s[2]), dtype(s[3]), dtype(s[5]), weights, gradient,
        means, largest,
    )  # fmt: skip


def adam_float32(address: Any) -> None:
    """Step."""
    _adam(address, np.float32)


def adam_float64(address: Any) -> None:
    """Step."""
    _adam(address, np.float64)


def nadam_float32(address: Any) -> None:
    """Step."""
    _nadam(address, np.float32)


def nadam_float64(address: Any) -> None:
    """Step."""
    _nadam(address, np.float64)


def radam_float32(address: Any) -> None:
    """Step."""
    _radam(address, np.float32)


def radam_float64(address: Any) -> None:
    """Step."""
    _radam(address, np.float64)


def adamax_float32(address: Any) -> None:
    """Step."""
    _adamax(address, np.float32)


def adamax_float64(address: Any) -> None:
    """Step."""
    _adamax(address, np.float64)
