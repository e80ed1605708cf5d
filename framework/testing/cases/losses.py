"""The cases of the losses."""

from __future__ import annotations

import numpy as np

from lamina.losses import (
    CTC,
    BinaryCrossEntropy,
    BinaryFocalCrossEntropy,
    CategoricalHinge,
    CosineSimilarity,
    Dice,
    GaussianNegativeLogLikelihood,
    Hinge,
    Huber,
    KLDivergence,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    NegativeLogLikelihood,
    PoissonNegativeLogLikelihood,
    Quantile,
    SoftmaxCrossEntropy,
    SoftmaxFocalCrossEntropy,
)
from lamina.testing.cases.case import LossCase
from lamina.testing.proofs.arrays import HostArray

__all__ = ["loss_cases"]

_STEPS = (5, 4, 3)


def loss_cases() -> tuple[LossCase, ...]:
    """Return the cases of all losses."""
    own = _regression_cases(), _binary_cases(), _label_cases(), _ctc_cases()
    return tuple(case for cases in (*own, _likelihood_cases(), _margin_cases()) for case in cases)


def _regression_cases() -> tuple[LossCase, ...]:
    return (
        LossCase("MeanSquaredError", MeanSquaredError, _STEPS),
        LossCase("MeanSquaredError-rows", MeanSquaredError, (5, 3)),
        LossCase("MeanSquaredError-four-axes", MeanSquaredError, (5, 2, 2, 3)),
        LossCase("MeanAbsoluteError", MeanAbsoluteError, _STEPS),
        LossCase("MeanAbsoluteError-rows", MeanAbsoluteError, (5, 3)),
        LossCase("Huber", Huber, _STEPS),
        LossCase("Huber-delta", lambda: Huber(delta=0.3), (5, 3)),
        LossCase("CosineSimilarity", CosineSimilarity, _STEPS),
        LossCase("CosineSimilarity-rows", CosineSimilarity, (5, 3)),
        LossCase("CosineSimilarity-epsilon", lambda: CosineSimilarity(epsilon=3.0), _STEPS),
        LossCase("LogCosh", LogCosh, _STEPS),
        LossCase("LogCosh-sum", lambda: LogCosh(reduction="sum"), (5, 3)),
        LossCase("MeanAbsolutePercentageError", MeanAbsolutePercentageError, _STEPS),
        LossCase("MeanAbsolutePercentageError-epsilon", lambda: MeanAbsolutePercentageError(0.5), (5, 3)),
        LossCase("MeanSquaredLogarithmicError", MeanSquaredLogarithmicError, _STEPS, _counts(_STEPS)),
        LossCase("MeanSquaredLogarithmicError-rows", MeanSquaredLogarithmicError, (5, 3), _counts((5, 3))),
        LossCase("Quantile", Quantile, _STEPS),
        LossCase("Quantile-several", lambda: Quantile([0.1, 0.5, 0.9]), (5, 4, 6), _numbers((5, 4, 2))),
        LossCase("Quantile-rows", lambda: Quantile([0.3, 0.8]), (5, 2), _numbers((5, 1))),
    )


def _numbers(shape: tuple[int, ...]) -> HostArray:
    return np.random.default_rng(7).standard_normal(shape)


def _counts(shape: tuple[int, ...]) -> HostArray:
    return np.random.default_rng(8).poisson(2.0, shape)


def _likelihood_cases() -> tuple[LossCase, ...]:
    gaussian, poisson, shares = GaussianNegativeLogLikelihood, PoissonNegativeLogLikelihood, KLDivergence
    half, counts = _numbers((5, 4, 2)), _counts(_STEPS)
    target = np.random.default_rng(9).dirichlet(np.ones(3), (5, 4))
    zeros = np.where(target == target.min(axis=-1, keepdims=True), 0.0, target)
    zeros /= zeros.sum(axis=-1, keepdims=True)
    return (
        LossCase("GaussianNegativeLogLikelihood", gaussian, (5, 4, 4), half),
        LossCase("GaussianNegativeLogLikelihood-rows", gaussian, (5, 4), half[:, 0]),
        LossCase("GaussianNegativeLogLikelihood-full", lambda: gaussian(True, epsilon=0.3), (5, 4, 4), half),
        LossCase("GaussianNegativeLogLikelihood-none", lambda: gaussian(reduction="none"), (5, 4, 4), half),
        LossCase("PoissonNegativeLogLikelihood", poisson, _STEPS, counts),
        LossCase("PoissonNegativeLogLikelihood-full", lambda: poisson(full=True), (5, 3), counts[:, 0]),
        LossCase("PoissonNegativeLogLikelihood-rates", lambda: poisson(False, epsilon=0.1), _STEPS, counts),
        LossCase("KLDivergence", shares, _STEPS, target),
        LossCase("KLDivergence-rows", shares, (5, 3), target[:, 0]),
        LossCase("KLDivergence-zeros", shares, _STEPS, zeros),
        LossCase("KLDivergence-logarithms", lambda: shares(log_target=True), _STEPS, np.log(target)),
    )


def _margin_cases() -> tuple[LossCase, ...]:
    rng = np.random.default_rng(10)
    yes, labels = rng.integers(0, 2, _STEPS), rng.integers(0, 3, (5, 4))
    some = np.where(rng.random((5, 4)) < 0.3, -1, labels)
    classes, weight = CategoricalHinge, [0.5, 1.0, 2.0]
    return (
        LossCase("Hinge", Hinge, _STEPS, yes),
        LossCase("Hinge-squared", lambda: Hinge(squared=True), (5, 3), 2 * yes[:, 0] - 1),
        LossCase("CategoricalHinge", classes, _STEPS, labels),
        LossCase("CategoricalHinge-rows", classes, (5, 3), labels[:, 0]),
        LossCase("CategoricalHinge-squared", lambda: classes(True, margin=0.5), _STEPS, labels),
        LossCase("CategoricalHinge-every", lambda: classes(every=True, ignore_index=-1), _STEPS, some),
        LossCase("CategoricalHinge-everything", lambda: classes(True, True, 2.0, -1, weight), _STEPS, some),
        LossCase("Dice", Dice, _STEPS, yes),
        LossCase("Dice-rows", Dice, (5, 3), yes[:, 0]),
        LossCase("Dice-smooth", lambda: Dice(0.1), (5, 2, 2, 3), np.stack([yes[:, :2], yes[:, 2:]], axis=2)),
        LossCase("Dice-sum", lambda: Dice(reduction="sum"), _STEPS, rng.random(_STEPS)),
    )


def _binary_cases() -> tuple[LossCase, ...]:
    binary, each = BinaryCrossEntropy, [0.5, 1.0, 2.0]
    rng = np.random.default_rng(6)
    yes, shares = rng.integers(0, 2, _STEPS), rng.random(_STEPS)
    return (
        LossCase("BinaryCrossEntropy", binary, _STEPS, yes),
        LossCase("BinaryCrossEntropy-rows", binary, (5, 1), yes[:, 0, :1]),
        LossCase("BinaryCrossEntropy-shares", binary, _STEPS, shares),
        LossCase("BinaryCrossEntropy-positive", lambda: binary(positive_weight=3), _STEPS, yes),
        LossCase("BinaryCrossEntropy-positives", lambda: binary(positive_weight=each), _STEPS, shares),
        LossCase("BinaryCrossEntropy-weights", lambda: binary(class_weight=each), _STEPS, yes),
        LossCase("BinaryCrossEntropy-everything", lambda: binary(each, class_weight=each[::-1]), _STEPS, shares),
        LossCase("BinaryCrossEntropy-smoothing", lambda: binary(3, each, label_smoothing=0.2), _STEPS, yes),
        LossCase("BinaryFocalCrossEntropy", BinaryFocalCrossEntropy, _STEPS, yes),
        LossCase("BinaryFocalCrossEntropy-shares", lambda: BinaryFocalCrossEntropy(0.0), (5, 3), shares[:, 0]),
        LossCase(
            "BinaryFocalCrossEntropy-everything", lambda: BinaryFocalCrossEntropy(0.5, 0.25, each), _STEPS, shares
        ),
    )


def _label_cases() -> tuple[LossCase, ...]:
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 3, (5, 4))
    some = np.where(rng.random((5, 4)) < 0.3, -1, labels)
    probabilities = rng.random(_STEPS)
    probabilities /= probabilities.sum(axis=-1, keepdims=True)
    cross, likelihood, weight = SoftmaxCrossEntropy, NegativeLogLikelihood, [0.5, 1.0, 2.0]
    return (
        LossCase("SoftmaxCrossEntropy", cross, _STEPS, labels),
        LossCase("SoftmaxCrossEntropy-rows", cross, (5, 3), labels[:, 0]),
        LossCase("SoftmaxCrossEntropy-narrow", cross, _STEPS, labels.astype(np.uint8)),
        LossCase("SoftmaxCrossEntropy-ignore", lambda: cross(ignore_index=-1), _STEPS, some),
        LossCase("SoftmaxCrossEntropy-smoothing", lambda: cross(label_smoothing=0.2), _STEPS, labels),
        LossCase("SoftmaxCrossEntropy-weights", lambda: cross(class_weight=weight), _STEPS, labels),
        LossCase("SoftmaxCrossEntropy-probabilities", cross, _STEPS, probabilities),
        LossCase(
            "SoftmaxCrossEntropy-everything",
            lambda: cross(ignore_index=-1, class_weight=weight, label_smoothing=0.1),
            _STEPS,
            some,
        ),
        LossCase(
            "SoftmaxCrossEntropy-probabilities-everything",
            lambda: cross(class_weight=weight, label_smoothing=0.1),
            _STEPS,
            probabilities,
        ),
        LossCase("NegativeLogLikelihood", likelihood, _STEPS, labels),
        LossCase("NegativeLogLikelihood-rows", likelihood, (5, 3), labels[:, 0]),
        LossCase("NegativeLogLikelihood-narrow", likelihood, _STEPS, labels.astype(np.uint8)),
        LossCase("NegativeLogLikelihood-ignore", lambda: likelihood(ignore_index=-1), _STEPS, some),
        LossCase("NegativeLogLikelihood-weights", lambda: likelihood(class_weight=weight), _STEPS, labels),
        LossCase("NegativeLogLikelihood-everything", lambda: likelihood(-1, class_weight=weight), _STEPS, some),
        LossCase("SoftmaxFocalCrossEntropy", SoftmaxFocalCrossEntropy, _STEPS, labels),
        LossCase("SoftmaxFocalCrossEntropy-rows", lambda: SoftmaxFocalCrossEntropy(0.0), (5, 3), labels[:, 0]),
        LossCase("SoftmaxFocalCrossEntropy-alpha", lambda: SoftmaxFocalCrossEntropy(0.5, 0.25, -1), _STEPS, some),
        LossCase(
            "SoftmaxFocalCrossEntropy-probabilities",
            lambda: SoftmaxFocalCrossEntropy(1.5, weight),
            _STEPS,
            probabilities,
        ),
    )


def _ctc_cases() -> tuple[LossCase, ...]:
    # The first rows' lengths are half the time, 0 and all of it: the labels fit into each.
    steps = (5, 7, 4)
    labels = np.array([[1, 2, -1, -1], [3, 1, 1, 2], [2, 2, 1, 3], [3, -1, -1, -1], [-1, -1, -1, -1]])
    last = np.where(labels < 0, 3, labels - 1)
    tight = np.array([[1, 1, -1], [1, 2, -1], [2, 2, -1], [2, 1, -1], [3, -1, -1]])
    return (
        LossCase("CTC", CTC, steps, labels),
        LossCase("CTC-blank", lambda: CTC(blank=3, padding=3), steps, last),
        LossCase("CTC-repeats", CTC, steps, np.array([[1, 1], [1, 2], [3, 3], [2, -1], [2, -1]])),
        LossCase("CTC-no-labels", CTC, steps, np.zeros((5, 0), np.int64)),
        LossCase("CTC-none", lambda: CTC(reduction="none"), steps, labels),
        LossCase("CTC-too-short", lambda: CTC(zero_infinity=True), (5, 2, 4), tight),
    )
