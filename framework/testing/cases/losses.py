"""The cases of the losses."""

from __future__ import annotations

import numpy as np

from lamina.losses import (
    CTC,
    BinaryCrossEntropy,
    CosineSimilarity,
    Huber,
    MeanAbsoluteError,
    MeanSquaredError,
    NegativeLogLikelihood,
    SoftmaxCrossEntropy,
)
from lamina.testing.cases.case import LossCase

__all__ = ["loss_cases"]

_STEPS = (5, 4, 3)


def loss_cases() -> tuple[LossCase, ...]:
    """Return the cases of all losses."""
    return (*_regression_cases(), *_binary_cases(), *_label_cases(), *_ctc_cases())


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
        LossCase("CTC-too-short", lambda: CTC(zero_infinity=True), (5, 2, 4), tight),
    )
