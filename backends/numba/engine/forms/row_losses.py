"""Losses of numbers whose outputs belong together: the cosine, a mean with its variance, several quantiles."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lamina.backends.numba.engine.forms.loss import LossForm, make_compute, numbers_of
from lamina.backends.numba.engine.memory import array_at, compiled
from lamina.backends.program import Call

__all__ = ["CosineSimilarityForm", "GaussianNegativeLogLikelihoodForm", "QuantileForm"]


class CosineSimilarityForm(LossForm):
    """One less the cosine."""

    def numbers(self) -> list[float]:
        """Return epsilon."""
        return [self.call.options["epsilon"]]


@compiled
def _norm(features: Any, values: Any, dtype: Any) -> Any:
    """Return the Euclidean norm, of which no square overflows."""
    largest = dtype(0)
    for j in range(features):
        size = abs(values[j])
        largest = size if size > largest or size != size else largest
    safe, total = largest if largest > 0 else dtype(1), dtype(0)
    for j in range(features):
        total += (values[j] / safe) * (values[j] / safe)
    return safe * math.sqrt(total)


@compiled
def _cosine_term(p: Any, label: Any, weight: Any, z: Any, target: Any, gradient: Any, dtype: Any) -> Any:
    features, epsilon = p.features, dtype(numbers_of(p)[0])
    size, other = _norm(features, z, dtype), _norm(features, target, dtype)
    bounded, other = epsilon if size < epsilon else size, epsilon if other < epsilon else other
    cosine = dtype(0)
    for j in range(features):
        cosine += (z[j] / bounded) * (target[j] / other)
    along, scale = cosine if size > epsilon else dtype(0), weight / bounded
    for j in range(features):
        gradient[j] = (along * (z[j] / bounded) - target[j] / other) * scale
    return (dtype(1) - cosine) * weight


class GaussianNegativeLogLikelihoodForm(LossForm):
    """Of means, and then the logarithms of variances."""

    @classmethod
    def target_features(cls, call: Call) -> int:
        """Return half the prediction's."""
        return call.inputs[0].features // 2

    def numbers(self) -> list[float]:
        """Return epsilon, its logarithm, and what is added for each target."""
        epsilon: float = self.call.options["epsilon"]
        return [epsilon, math.log(epsilon), self.call.options["constant"]]


@compiled
def _gaussian_term(p: Any, label: Any, weight: Any, z: Any, target: Any, gradient: Any, dtype: Any) -> Any:
    features, numbers = p.wide, numbers_of(p)
    least, constant, half = dtype(numbers[1]), dtype(numbers[2]), dtype(0.5)
    scale, loss = weight / dtype(features), dtype(0)
    for j in range(features):
        logarithm = z[features + j]
        more = least if logarithm < least else logarithm
        variance = more + math.log1p(math.exp(-abs(logarithm - least)))  # its logarithm
        inverse = math.exp(-variance * half)
        distance = (z[j] - target[j]) * inverse
        loss += (variance + distance * distance) * half + constant
        gradient[j] = distance * inverse * scale
        gradient[features + j] = (dtype(1) - distance * distance) * math.exp(logarithm - variance) * half * scale
    return loss * scale


class QuantileForm(LossForm):
    """Of one quantile, or of several one after another."""

    @classmethod
    def target_features(cls, call: Call) -> int:
        """Return the prediction's for each quantile."""
        return call.inputs[0].features // len(call.options["quantiles"])

    def arrays(self) -> list[Any]:
        """Return the quantiles."""
        return [self.call.options["quantiles"]]


@compiled
def _quantile_term(p: Any, label: Any, weight: Any, z: Any, target: Any, gradient: Any, dtype: Any) -> Any:
    features, count = p.wide, p.features // p.wide
    quantiles, scale, loss = array_at(p.first, count, dtype), weight / dtype(p.features), dtype(0)
    for index in range(count):
        q, own = quantiles[index], index * features
        for j in range(features):
            difference = target[j] - z[own + j]
            loss += q * difference if difference > 0 else (q - dtype(1)) * difference
            slope = -q if difference > 0 else dtype(1) - q if difference < 0 else dtype(0)
            gradient[own + j] = slope * scale
    return loss * scale


_cosine, _gaussian, _quantile = make_compute(_cosine_term), make_compute(_gaussian_term), make_compute(_quantile_term)


def cosine_similarity_float32(address: Any) -> None:
    """Write the loss and the gradient."""
    _cosine(address, np.float32)


def cosine_similarity_float64(address: Any) -> None:
    """Write the loss and the gradient."""
    _cosine(address, np.float64)


def gaussian_negative_log_likelihood_float32(address: Any) -> None:
    """Write the loss and the gradient."""
    _gaussian(address, np.float32)


def gaussian_negative_log_likelihood_float64(address: Any) -> None:
    """Write the loss and the gradient."""
    _gaussian(address, np.float64)


def quantile_float32(address: Any) -> None:
    """Write the loss and the gradient."""
    _quantile(address, np.float32)


def quantile_float64(address: Any) -> None:
    """Write the loss and the gradient."""
    _quantile(address, np.float64)
