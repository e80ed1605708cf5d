"""Losses of classes from logits: cross-entropy, focal cross-entropy, and the Kullback-Leibler divergence."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lamina.backends.numba.engine.elements import exponential
from lamina.backends.numba.engine.forms.loss import LossForm, make_compute, numbers_of
from lamina.backends.numba.engine.forms.odds import below, odds
from lamina.backends.numba.engine.memory import array_at, compiled, separate

__all__ = ["KLDivergenceForm", "SoftmaxCrossEntropyForm", "SoftmaxFocalCrossEntropyForm"]


class SoftmaxCrossEntropyForm(LossForm):
    """Of labels or distributions; of labels as they are by a shorter way."""

    labels = None

    def numbers(self) -> list[float]:
        """Return the smoothing."""
        return [self.call.options.get("smoothing") or 0.0]

    def arrays(self) -> list[Any]:
        """Return the class weights."""
        return [self.call.options.get("class_weight")]

    def function(self) -> str:
        """Return the function of labels alone, or that of what is spread over classes."""
        options = self.call.options
        plain = self.call.inputs[1].integers and not options.get("smoothing") and options.get("class_weight") is None
        return "labels" if plain else "spread"


@compiled
def _scale(features: Any, factor: Any, array: Any) -> None:
    separate()
    for j in range(features):
        array[j] *= factor


@compiled
def _labels_term(p: Any, label: Any, weight: Any, z: Any, target: Any, gradient: Any, dtype: Any) -> Any:
    most, total = odds(p.features, z, gradient)
    _scale(p.features, weight / total, gradient)
    gradient[label] -= weight
    return weight * (math.log(total) - below(z[label], most))


@compiled
def _share(p: Any, label: Any, j: Any, target: Any, dtype: Any) -> Any:
    """Return how much a class is the target, before weights."""
    if p.labelled != 0:
        return dtype(1) if j == label else dtype(0)
    return target[j]


@compiled
def _weight_of(p: Any, j: Any, dtype: Any) -> Any:
    """Return a class's weight."""
    return array_at(p.first, p.features, dtype)[j] if p.first != 0 else dtype(1)


@compiled
def _spread_term(p: Any, label: Any, weight: Any, z: Any, target: Any, gradient: Any, dtype: Any) -> Any:
    features, smoothing = p.features, numbers_of(p)[0]
    most, total = odds(features, z, gradient)
    keep, rest, logarithm = dtype(1 - smoothing), dtype(smoothing / features), math.log(total)
    mass = loss = dtype(0)
    for j in range(features):
        q = (_share(p, label, j, target, dtype) * keep + rest) * _weight_of(p, j, dtype)
        mass += q
        if q != 0:  # a class ruled out costs nothing where it is no target, and 0 * inf is NaN
            loss -= q * (below(z[j], most) - logarithm)
    for j in range(features):
        q = (_share(p, label, j, target, dtype) * keep + rest) * _weight_of(p, j, dtype)
        gradient[j] = (gradient[j] / total * mass - q) * weight
    return loss * weight


class SoftmaxFocalCrossEntropyForm(LossForm):
    """Of labels or distributions."""

    labels = None

    def numbers(self) -> list[float]:
        """Return gamma, and alpha of all classes."""
        return [self.call.options["gamma"], self.call.options["alpha"]]

    def arrays(self) -> list[Any]:
        """Return the class weights."""
        return [self.call.options.get("class_weight")]


@compiled
def _focal_term(p: Any, label: Any, weight: Any, z: Any, target: Any, gradient: Any, dtype: Any) -> Any:
    features, numbers = p.features, numbers_of(p)
    gamma, alpha = dtype(numbers[0]), dtype(numbers[1])
    most, total = odds(features, z, gradient)
    logarithm, everything, loss = math.log(total), dtype(0), dtype(0)
    for j in range(features):
        q = _share(p, label, j, target, dtype) * (alpha * _weight_of(p, j, dtype))
        log_p = below(z[j], most) - logarithm
        u = dtype(0)
        if q != 0:
            probability, missing = math.exp(log_p), -math.expm1(log_p)
            power = missing**gamma
            loss -= q * power * log_p
            ratio = dtype(0) if probability == 0 else dtype(-1) if missing == 0 else log_p / missing
            u = q * power * (gamma * probability * ratio - 1)
        everything += u
        gradient[j] = u
    for j in range(features):
        gradient[j] = (gradient[j] - exponential(below(z[j], most) - logarithm) * everything) * weight
    return loss * weight


class KLDivergenceForm(LossForm):
    """Of distributions, or their logarithms."""

    def numbers(self) -> list[float]:
        """Return whether targets are logarithms."""
        return [float(self.call.options["log_target"])]


@compiled
def _divergence_term(p: Any, label: Any, weight: Any, z: Any, target: Any, gradient: Any, dtype: Any) -> Any:
    features, logarithms = p.features, numbers_of(p)[0] != 0
    most, total = odds(features, z, gradient)
    logarithm, mass, loss = math.log(total), dtype(0), dtype(0)
    for j in range(features):
        t = math.exp(target[j]) if logarithms else target[j]
        mass += t
        if t != 0:
            loss += t * ((target[j] if logarithms else math.log(t)) - (below(z[j], most) - logarithm))
    for j in range(features):
        t = math.exp(target[j]) if logarithms else target[j]
        gradient[j] = (gradient[j] / total * mass - t) * weight
    return loss * weight


_labels, _spread = make_compute(_labels_term), make_compute(_spread_term)
_focal, _divergence = make_compute(_focal_term), make_compute(_divergence_term)


def labels_float32(address: Any) -> None:
    """Write the loss and the gradient."""
    _labels(address, np.float32)


def labels_float64(address: Any) -> None:
    """Write the loss and the gradient."""
    _labels(address, np.float64)


def spread_float32(address: Any) -> None:
    """Write the loss and the gradient."""
    _spread(address, np.float32)


def spread_float64(address: Any) -> None:
    """Write the loss and the gradient."""
    _spread(address, np.float64)


def softmax_focal_cross_entropy_float32(address: Any) -> None:
    """Write the loss and the gradient."""
    _focal(address, np.float32)


def softmax_focal_cross_entropy_float64(address: Any) -> None:
    """Write the loss and the gradient."""
    _focal(address, np.float64)


def kl_divergence_float32(address: Any) -> None:
    """Write the loss and the gradient."""
    _divergence(address, np.float32)


def kl_divergence_float64(address: Any) -> None:
    """Write the loss and the gradient."""
    _divergence(address, np.float64)
