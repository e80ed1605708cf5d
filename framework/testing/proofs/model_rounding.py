"""How far rounding alone moves what a model gives, its gradients, and the model that training makes of it.

Where values are nothing but rounding, such as the gradient of what a normalization takes away again, and are enlarged,
two right ways to one result differ by more than rounding does elsewhere. That is measured, not assumed: only where a
relation fails, and only as far as it fails by no more than rounding was seen to make of it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from lamina.backends import get_backend
from lamina.core.layer import Layer
from lamina.testing.proofs.arrays import HostArray, differences
from lamina.testing.proofs.model_calls import expect_alike
from lamina.testing.proofs.model_copies import is_here
from lamina.testing.proofs.model_trial import ModelTrial
from lamina.testing.proofs.passes import hosts
from lamina.testing.report import CheckError, Skip

__all__ = ["ROUNDED", "expect_trained", "unless_rounding"]

Found = TypeVar("Found")

#: How far two trained models may be apart: steps differ by far more than that where they are not the same.
ROUNDED = 1e-5
# At how many points rounding is looked at, by how many roundings these are apart at most, and by how much more than
# was seen it may move a model.
_POINTS, _ROUNDINGS, _MARGIN = 12, 4, 4


def unless_rounding(
    relation: Callable[[ModelTrial], Found], backends: Sequence[str] = ()
) -> Callable[[ModelTrial], Found]:
    """Return a relation of passes that is skipped where it fails by no more than rounding alone moves a pass.

    Where a tolerance was asked for, that is held.

    Parameters
    ----------
    relation : callable
    backends : sequence of str
        Where rounding is looked at as well: some give a plain 0 where others have rounding.
    """

    def held(trial: ModelTrial) -> Found:
        try:
            return relation(trial)
        except CheckError as error:
            if not trial.lenient or error.difference is None or not np.isfinite(error.difference):
                raise
            moves = _of_passes(trial, backends)
            of_this = [most for name, most in moves.items() if str(error).startswith(name)]
            moved = max(of_this or moves.values())
            if error.difference > _MARGIN * moved:
                raise
            raise Skip(f"rounding alone moves outputs or gradients as far: {moved:.0e}") from None

    return held


def expect_trained(
    trial: ModelTrial,
    what: str,
    got: Layer,
    expected: Layer,
    fit: Callable[[Layer], object],
    backends: Sequence[str] = (),
) -> float:
    """Return how far apart what two trained models give is, or raise; not their weights, on which nothing may depend.

    An optimizer that divides by a gradient's size makes whole steps of rounding, where that is all that there is of
    it. Mostly nothing depends on such weights, else the gradient were none; but a little may, as on those that a layer
    norm scales away but for its epsilon.

    Parameters
    ----------
    trial : ModelTrial
    what : str
        What was done to the one model, for the message.
    got, expected : Layer
        The two.
    fit : callable
        Trains a model as ``expected`` was.
    backends : sequence of str
        Where rounding is looked at as well.

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
    except CheckError as error:
        if error.difference is None or not np.isfinite([*_apart(mine, other), *map(np.sum, other)]).all():
            raise
        moved = _of_training(trial, other, fit, backends)
        if not all(one <= max(_MARGIN * most, tolerance) for one, most in zip(_apart(mine, other), moved, strict=True)):
            raise
        raise Skip(f"rounding alone moves the trained model as far: {max(moved):.0e}") from None


def _of_passes(trial: ModelTrial, backends: Sequence[str]) -> dict[str, float]:
    """Return how far outputs and gradients, by name, are moved at most by weights and inputs a few roundings apart."""
    rng = np.random.default_rng(trial.seed)
    worst: dict[str, float] = {}
    with _quiet():
        for backend in _places(trial, backends):
            expected = trial.run(trial.built(backend)).named("'")
            for _ in range(_POINTS):
                values = [_beside(rng, own, trial.dtype) if own.dtype.kind == "f" else own for own in trial.values]
                for name, array in trial.run(_moved(rng, trial.built(backend)), values).named("'").items():
                    apart = np.abs(array.astype("float64") - expected[name]).max(initial=0.0)
                    worst[name] = max(worst.get(name, 0.0), float(apart))
    return worst


def _of_training(
    trial: ModelTrial, expected: Sequence[HostArray], fit: Callable[[Layer], object], backends: Sequence[str]
) -> list[float]:
    """Return of each output how far it is moved at most where training begins a few roundings apart."""
    rng, worst = np.random.default_rng(trial.seed), [0.0] * len(expected)
    with _quiet():
        for backend in _places(trial, backends):
            for _ in range(_POINTS):
                model = _moved(rng, trial.built(backend, "float64"))
                fit(model)
                worst = [max(pair) for pair in zip(worst, _apart(_called(trial, model), expected), strict=True)]
    return worst


def _places(trial: ModelTrial, backends: Sequence[str]) -> list[Any]:
    """Return the trial's backend, and those of some that are here."""
    return [trial.backend, *(get_backend(name) for name in backends if name != trial.backend.name and is_here(name))]


def _moved(rng: np.random.Generator, model: Layer) -> Layer:
    for parameter in model.parameters():
        array = parameter.numpy()
        parameter.data = _beside(rng, array, array.dtype)
    return model


def _beside(rng: np.random.Generator, array: HostArray, dtype: Any) -> HostArray:
    apart = rng.integers(-_ROUNDINGS, _ROUNDINGS + 1, array.shape) * np.finfo(dtype).eps
    moved: HostArray = (array * (1 + apart)).astype(array.dtype)
    return moved


def _apart(got: Sequence[HostArray], expected: Sequence[HostArray]) -> list[float]:
    return [differences(one, other) for one, other in zip(got, expected, strict=True)]


@contextmanager
def _quiet() -> Iterator[None]:
    """Warn of nothing: what is looked at here is not what is held to a relation."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _called(trial: ModelTrial, model: Layer) -> list[HostArray]:
    """Return what a trained model gives: in training, where forward moves statistics.

    What stands before them may be moved by rounding alone, where they take it away again, as they do in training: the
    gradient is 0 there. In inference they are those of earlier steps, and do not.
    """
    return hosts(model, trial.forward(model)[0]) if trial.moves else trial.call(model)
