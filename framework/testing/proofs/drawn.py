"""Inputs of a layer or model, and targets for a loss, drawn to fit."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.errors import ArgumentError
from lamina.losses import (
    CTC,
    BinaryCrossEntropy,
    BinaryFocalCrossEntropy,
    Dice,
    GaussianNegativeLogLikelihood,
    Hinge,
    KLDivergence,
    MeanSquaredLogarithmicError,
    PoissonNegativeLogLikelihood,
    Quantile,
)
from lamina.losses.labels import LabelLoss
from lamina.losses.loss import Loss
from lamina.testing.proofs.arrays import HostArray

__all__ = ["draw_target", "is_shape", "read_input"]

_YES_OR_NO = BinaryCrossEntropy, BinaryFocalCrossEntropy, Dice, Hinge
_COUNTS = PoissonNegativeLogLikelihood, MeanSquaredLogarithmicError


def draw_target(loss: Loss, output: HostArray, lengths: Any, rng: np.random.Generator) -> HostArray:
    """Return a target for an output: classes, some ignored where the loss ignores any, or what else a loss is for.

    Parameters
    ----------
    loss : Loss
    output : (batch, ..., classes or units) array
    lengths : (batch,) integers or None
        Of the output.
    rng : Generator
    """
    if isinstance(loss, CTC):
        return _labels(loss, output, lengths, rng)
    if isinstance(loss, LabelLoss):
        labels: HostArray = rng.integers(0, output.shape[-1], output.shape[:-1])
        if loss.ignore_index is not None:
            labels[rng.random(labels.shape) < 0.3] = loss.ignore_index
        return labels
    if isinstance(loss, _YES_OR_NO):
        return np.asarray(rng.integers(0, 2, output.shape), np.float64)
    if isinstance(loss, _COUNTS):
        return np.asarray(rng.poisson(2.0, output.shape), np.float64)
    if isinstance(loss, KLDivergence):
        shares = rng.dirichlet(np.ones(output.shape[-1]), output.shape[:-1])
        return np.log(shares) if loss.log_target else shares
    return np.asarray(rng.standard_normal((*output.shape[:-1], output.shape[-1] // _outputs_per_target(loss))))


def _outputs_per_target(loss: Loss) -> int:
    if isinstance(loss, GaussianNegativeLogLikelihood):
        return 2
    return len(loss.quantiles) if isinstance(loss, Quantile) and isinstance(loss.quantiles, list) else 1


def _labels(loss: CTC, output: HostArray, lengths: Any, rng: np.random.Generator) -> HostArray:
    """Return labels that fit into the steps, a blank between equal ones included: a third of them, at most."""
    rows, time, classes = output.shape
    steps = np.full(rows, time) if lengths is None else np.asarray(lengths)
    most = max(int(steps.max()) // 3, 1)
    labels = np.full((rows, most), loss.padding)
    known = [one for one in range(classes) if one != loss.blank]
    for row, count in enumerate(np.minimum(steps // 2, most)):
        labels[row, :count] = rng.choice(known, size=count)
    return labels


def is_shape(value: Any) -> bool:
    """Tell whether a value is the shape of an array to draw, and not an array."""
    several = isinstance(value, (tuple, list)) and len(value) > 0
    return several and all(isinstance(size, (int, np.integer)) for size in value)


def read_input(owner: str, rng: np.random.Generator, value: Any, least_axes: int = 1) -> HostArray:
    """Return an input to try: normal numbers of a shape, or an array as it is given, numbers in float64.

    Raises
    ------
    ArgumentError
        If it is neither, naming its owner.
    """
    if is_shape(value):
        return rng.standard_normal(tuple(value))
    array = np.array(value)
    if array.dtype.kind not in "iuf" or array.ndim < least_axes:
        raise ArgumentError(f"{owner}: expected a shape such as (4, 5, 3), or an array, got {value!r}")
    return array.astype(np.float64) if array.dtype.kind == "f" else array
