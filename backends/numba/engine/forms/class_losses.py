"""Losses of labels without a softmax: the negative log-likelihood and the hinge loss of several classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.numba.engine.forms.loss import LossForm, make_compute, numbers_of
from lamina.backends.numba.engine.memory import array_at, compiled

__all__ = ["CategoricalHingeForm", "NegativeLogLikelihoodForm"]


class NegativeLogLikelihoodForm(LossForm):
    """Of log-probabilities."""

    labels = True

    def arrays(self) -> list[Any]:
        """Return the class weights."""
        return [self.call.options.get("class_weight")]


@compiled
def _scale_of(p: Any, label: Any, weight: Any, dtype: Any) -> Any:
    """Return a term's weight times that of its class."""
    return weight * array_at(p.first, p.features, dtype)[label] if p.first != 0 else weight


@compiled
def _likelihood_term(p: Any, label: Any, weight: Any, z: Any, target: Any, gradient: Any, dtype: Any) -> Any:
    scale = _scale_of(p, label, weight, dtype)
    for j in range(p.features):
        gradient[j] = 0
    gradient[label] = -scale
    return -z[label] * scale if scale != 0 else dtype(0)  # where it does not count it may be infinite


class CategoricalHingeForm(LossForm):
    """By the nearest class, or by all that are too near."""

    labels = True

    def numbers(self) -> list[float]:
        """Return the margin, whether terms are squared, and whether all classes count."""
        options = self.call.options
        return [options["margin"], float(options["squared"]), float(options["every"])]

    def arrays(self) -> list[Any]:
        """Return the class weights."""
        return [self.call.options.get("class_weight")]


@compiled
def _excess(j: Any, label: Any, margin: Any, own: Any, z: Any, dtype: Any) -> Any:
    """Return by how much a class is too near."""
    much = margin - own + z[j]
    return dtype(0) if j == label or much < 0 else much


@compiled
def _hinge_term(p: Any, label: Any, weight: Any, z: Any, target: Any, gradient: Any, dtype: Any) -> Any:
    features, numbers = p.features, numbers_of(p)
    margin, squared, every = dtype(numbers[0]), numbers[1] != 0, numbers[2] != 0
    scale, own = _scale_of(p, label, weight, dtype), z[label]
    nearest, most = 0, _excess(0, label, margin, own, z, dtype)
    for j in range(1, features):
        much = _excess(j, label, margin, own, z, dtype)
        if much > most or (much != much and most == most):
            nearest, most = j, much
    share = dtype(1) / dtype(features) if every else dtype(1)
    loss = total = dtype(0)
    for j in range(features):
        much = _excess(j, label, margin, own, z, dtype) if every or j == nearest else dtype(0)
        slope = dtype(2) * much if squared else dtype(1) if much > 0 else dtype(0)
        loss += share * (much * much if squared else much)
        total += share * slope
        gradient[j] = share * slope * scale
    gradient[label] = -total * scale
    return loss * scale if scale != 0 else dtype(0)


_likelihood, _hinge = make_compute(_likelihood_term), make_compute(_hinge_term)


def negative_log_likelihood_float32(address: Any) -> None:
    """Write the loss and the gradient."""
    _likelihood(address, np.float32)


def negative_log_likelihood_float64(address: Any) -> None:
    """Write the loss and the gradient."""
    _likelihood(address, np.float64)


def categorical_hinge_float32(address: Any) -> None:
    """Write the loss and the gradient."""
    _hinge(address, np.float32)


def categorical_hinge_float64(address: Any) -> None:
    """Write the loss and the gradient."""
    _hinge(address, np.float64)
