"""Whether two trained models are the same but for rounding; how far rounding alone moves a trained model."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np

from lamina.core.layer import Layer
from lamina.testing.proofs.arrays import HostArray, differences
from lamina.testing.proofs.model_calls import expect_alike
from lamina.testing.proofs.model_trial import ModelTrial
from lamina.testing.proofs.passes import hosts
from lamina.testing.report import CheckError, Skip

__all__ = ["ROUNDED", "expect_trained"]

#: How far two trained models may be apart: steps differ by far more than that where they are not the same.
ROUNDED = 1e-5
# From how many starts rounding is looked at, by how many roundings of weights they are apart at most, and by how much
# more than was seen rounding may move a model.
_STARTS, _ROUNDINGS, _MARGIN = 12, 4, 4


def expect_trained(trial: ModelTrial, what: str, got: Layer, expected: Layer, fit: Callable[[Layer], object]) -> float:
    """Return how far apart what two trained models give is, or raise; not their weights, on which nothing may depend.

    An optimizer that divides by a gradient's size makes whole steps of rounding, where that is all that there is of
    it. Mostly nothing depends on such weights, else the gradient were none; but a little may, as on those that a layer
    norm scales away but for its epsilon. Where models are too far apart, training is therefore looked at again, from
    weights a few roundings apart: if these alone move the model as far, nothing is proven and nothing refuted.

    Parameters
    ----------
    trial : ModelTrial
    what : str
        What was done to the one model, for the message.
    got, expected : Layer
        The two.
    fit : callable
        Trains a model as ``expected`` was.

    Raises
    ------
    CheckError
        If they are apart, and not by rounding.
    Skip
        If rounding alone moves what they give as far.
    """
    tolerance = ROUNDED if trial.dtype == "float32" else max(30 * trial.tolerance, ROUNDED)
    mine, other = _called(trial, got), _called(trial, expected)
    try:
        return expect_alike(f"of the model {what}", mine, other, tolerance)
    except CheckError:
        if len(mine) != len(other) or not all(np.isfinite(one).all() for one in (*mine, *other)):
            raise
        apart, moved = _apart(mine, other), _moved_by_rounding(trial, other, fit)
        if all(one <= max(_MARGIN * most, tolerance) for one, most in zip(apart, moved, strict=True)):
            raise Skip(f"rounding alone moves the trained model as far: {max(moved):.0e}") from None
        raise


def _moved_by_rounding(trial: ModelTrial, expected: Sequence[HostArray], fit: Callable[[Layer], object]) -> list[float]:
    """Return of each output how far it is moved at most where training begins a few roundings apart."""
    rng, worst = np.random.default_rng(trial.seed), [0.0] * len(expected)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(_STARTS):
            model = trial.precise(new=True)
            for parameter in model.parameters():
                array = parameter.numpy()
                apart = rng.integers(-_ROUNDINGS, _ROUNDINGS + 1, array.shape)
                parameter.data = array * (1 + apart * np.finfo(array.dtype).eps)
            fit(model)
            worst = [max(pair) for pair in zip(worst, _apart(_called(trial, model), expected), strict=True)]
    return worst


def _apart(got: Sequence[HostArray], expected: Sequence[HostArray]) -> list[float]:
    return [differences(one, other) for one, other in zip(got, expected, strict=True)]


def _called(trial: ModelTrial, model: Layer) -> list[HostArray]:
    """Return what a trained model gives: in training, where forward moves statistics.

    What stands before them may be moved by rounding alone, where they take it away again, as they do in training: the
    gradient is 0 there. In inference they are those of earlier steps, and do not.
    """
    return hosts(model, trial.forward(model)[0]) if trial.moves else trial.call(model)
