"""Every loss once more, as a formula in float64 of one row's or step's prediction and target, by NumPy alone."""

import itertools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from lamina import losses

__all__ = ["EVERY", "WIDTH", "Every"]

WIDTH = 4
CLASSES = [0.5, 2.0, 3.0, 1.0]  # weights of classes, or outputs


class Every(NamedTuple):
    """A loss with settings, its targets and its formula.

    Attributes
    ----------
    make : callable
        Takes the reduction.
    draw : callable
        Returns targets from a generator and the prediction's shape.
    term : callable
        The loss of one step from a prediction (WIDTH,) and its target, or of one row from (time, WIDTH) and its.
    """

    make: Callable[..., Any]
    draw: Callable[[Any, tuple[int, ...]], Any]
    term: Callable[[Any, Any], float]


def softplus(z: Any) -> Any:
    return np.logaddexp(0, z)


def log_softmax(z: Any) -> Any:
    return z - np.logaddexp.reduce(z, axis=-1, keepdims=True)


def binary(z: Any, t: Any) -> float:
    t = 0.8 * t + 0.1
    return float(np.mean(np.array(CLASSES) * (3 * t * softplus(-z) + (1 - t) * softplus(z))))


def binary_focal(z: Any, t: Any) -> float:
    yes = 0.25 * t * np.exp(-1.5 * softplus(z)) * softplus(-z)
    no = 0.75 * (1 - t) * np.exp(-1.5 * softplus(-z)) * softplus(z)
    return float(np.mean(np.array(CLASSES) * (yes + no)))


def cross_entropy(z: Any, y: int) -> float:
    q = np.array(CLASSES) * (0.9 * (np.arange(WIDTH) == y) + 0.1 / WIDTH)
    return float(-np.sum(q * log_softmax(z)))


def focal(z: Any, y: int) -> float:
    logarithm = log_softmax(z)[y]
    return float(-CLASSES[y] * (-np.expm1(logarithm)) ** 2 * logarithm)


def categorical_hinge(z: Any, y: int) -> float:
    return CLASSES[y] * max(0.0, max(1 - z[y] + z[c] for c in range(WIDTH) if c != y)) ** 2


def cosine(p: Any, t: Any) -> float:
    return float(1 - p @ t / (np.linalg.norm(p) * np.linalg.norm(t)))


def huber(p: Any, t: Any) -> float:
    return float(np.mean([d * d / 2 if abs(d) <= 0.7 else 0.7 * (abs(d) - 0.35) for d in p - t]))


def gaussian(p: Any, t: Any) -> float:
    variance = np.exp(p[2:]) + 1e-3
    return float(np.mean((np.log(variance) + (p[:2] - t) ** 2 / variance) / 2))


def quantile(p: Any, t: Any) -> float:
    parts = [max(q * d, (q - 1) * d) for q, own in ((0.2, p[:2]), (0.9, p[2:])) for d in t - own]
    return float(np.mean(parts))


def log_cosh(p: Any, t: Any) -> float:
    return float(np.mean(np.log(np.cosh(p - t))))


def dice(z: Any, t: Any) -> float:
    s = 1 / (1 + np.exp(-z))
    return float(1 - (2 * np.sum(s * t) + 1) / (np.sum(s) + np.sum(t) + 1))


def ctc(z: Any, labels: Any) -> float:
    """Sum over all ways to give each step a class: those that say the labels, once repeats and blanks are gone."""
    wanted = [label for label in labels if label >= 0]
    logarithm, total = log_softmax(z), 0.0
    for way in itertools.product(range(WIDTH), repeat=len(z)):
        if [c for c, _ in itertools.groupby(way) if c] == wanted:
            total += math.exp(sum(logarithm[step, c] for step, c in enumerate(way)))
    return -math.log(total)


def numbers(rng: Any, shape: tuple[int, ...]) -> Any:
    return rng.standard_normal(shape)


def halves(rng: Any, shape: tuple[int, ...]) -> Any:
    return rng.standard_normal((*shape[:-1], shape[-1] // 2))


def yes(rng: Any, shape: tuple[int, ...]) -> Any:
    return rng.integers(0, 2, shape).astype(float)


def labels(rng: Any, shape: tuple[int, ...]) -> Any:
    return rng.integers(0, shape[-1], shape[:-1])


def shares(rng: Any, shape: tuple[int, ...]) -> Any:
    return rng.dirichlet(np.ones(shape[-1]), shape[:-1])


def counts(rng: Any, shape: tuple[int, ...]) -> Any:
    return rng.poisson(2.0, shape).astype(float)


def sequences(rng: Any, shape: tuple[int, ...]) -> Any:
    return np.array([[1, -1], [2, -1], [3, -1]])[np.arange(shape[0]) % 3]


EVERY = {
    "BinaryCrossEntropy": Every(
        lambda **r: losses.BinaryCrossEntropy(3.0, CLASSES, label_smoothing=0.2, **r), yes, binary
    ),
    "BinaryFocalCrossEntropy": Every(
        lambda **r: losses.BinaryFocalCrossEntropy(1.5, 0.25, CLASSES, **r), yes, binary_focal
    ),
    "CTC": Every(losses.CTC, sequences, ctc),
    "CategoricalHinge": Every(
        lambda **r: losses.CategoricalHinge(squared=True, class_weight=CLASSES, **r), labels, categorical_hinge
    ),
    "CosineSimilarity": Every(losses.CosineSimilarity, numbers, cosine),
    "Dice": Every(losses.Dice, yes, dice),
    "GaussianNegativeLogLikelihood": Every(
        lambda **r: losses.GaussianNegativeLogLikelihood(epsilon=1e-3, **r), halves, gaussian
    ),
    "Hinge": Every(losses.Hinge, yes, lambda p, t: float(np.mean(np.maximum(1 - (2 * t - 1) * p, 0)))),
    "Huber": Every(lambda **r: losses.Huber(0.7, **r), numbers, huber),
    "KLDivergence": Every(
        losses.KLDivergence, shares, lambda z, t: float(np.sum(t * (np.log(t) - log_softmax(z))))
    ),
    "LogCosh": Every(losses.LogCosh, numbers, log_cosh),
    "MeanAbsoluteError": Every(losses.MeanAbsoluteError, numbers, lambda p, t: float(np.mean(abs(p - t)))),
    "MeanAbsolutePercentageError": Every(
        losses.MeanAbsolutePercentageError, numbers, lambda p, t: float(np.mean(100 * abs((p - t) / t)))
    ),
    "MeanSquaredError": Every(losses.MeanSquaredError, numbers, lambda p, t: float(np.mean((p - t) ** 2))),
    "MeanSquaredLogarithmicError": Every(
        losses.MeanSquaredLogarithmicError,
        counts,
        lambda p, t: float(np.mean((np.log(1 + np.maximum(p, 0)) - np.log(1 + t)) ** 2)),
    ),
    "NegativeLogLikelihood": Every(
        lambda **r: losses.NegativeLogLikelihood(class_weight=CLASSES, **r),
        labels,
        lambda p, y: float(-CLASSES[y] * p[y]),
    ),
    "PoissonNegativeLogLikelihood": Every(
        losses.PoissonNegativeLogLikelihood, counts, lambda z, t: float(np.mean(np.exp(z) - t * z))
    ),
    "Quantile": Every(lambda **r: losses.Quantile([0.2, 0.9], **r), halves, quantile),
    "SoftmaxCrossEntropy": Every(
        lambda **r: losses.SoftmaxCrossEntropy(class_weight=CLASSES, label_smoothing=0.1, **r), labels, cross_entropy
    ),
    "SoftmaxFocalCrossEntropy": Every(
        lambda **r: losses.SoftmaxFocalCrossEntropy(alpha=CLASSES, **r), labels, focal
    ),
}  # fmt: skip
