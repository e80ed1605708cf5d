"""The cases of the losses."""

from __future__ import annotations

import numpy as np

from lamina.losses import MeanSquaredError, SoftmaxCrossEntropy
from lamina.testing.case import LossCase

__all__ = ["loss_cases"]


def loss_cases() -> tuple[LossCase, ...]:
    """Return the cases of all losses."""
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 3, (5, 4))
    some = np.where(rng.random((5, 4)) < 0.3, -1, labels)
    probabilities = rng.random((5, 4, 3))
    probabilities /= probabilities.sum(axis=-1, keepdims=True)
    cross, weight = SoftmaxCrossEntropy, [0.5, 1.0, 2.0]
    steps = (5, 4, 3)
    return (
        LossCase("MeanSquaredError", MeanSquaredError, steps),
        LossCase("MeanSquaredError-rows", MeanSquaredError, (5, 3)),
        LossCase("MeanSquaredError-four-axes", MeanSquaredError, (5, 2, 2, 3)),
        LossCase("SoftmaxCrossEntropy", cross, steps, labels),
        LossCase("SoftmaxCrossEntropy-rows", cross, (5, 3), labels[:, 0]),
        LossCase("SoftmaxCrossEntropy-narrow", cross, steps, labels.astype(np.uint8)),
        LossCase("SoftmaxCrossEntropy-ignore", lambda: cross(ignore_index=-1), steps, some),
        LossCase("SoftmaxCrossEntropy-smoothing", lambda: cross(label_smoothing=0.2), steps, labels),
        LossCase("SoftmaxCrossEntropy-weights", lambda: cross(class_weight=weight), steps, labels),
        LossCase("SoftmaxCrossEntropy-probabilities", cross, steps, probabilities),
        LossCase(
            "SoftmaxCrossEntropy-everything",
            lambda: cross(ignore_index=-1, class_weight=weight, label_smoothing=0.1),
            steps,
            some,
        ),
        LossCase(
            "SoftmaxCrossEntropy-probabilities-everything",
            lambda: cross(class_weight=weight, label_smoothing=0.1),
            steps,
            probabilities,
        ),
    )
