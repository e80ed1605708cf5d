"""The relation of runs that end somewhere and go on: they come to what they would have come to."""

from __future__ import annotations

import contextlib
import tempfile
from typing import Any

import numpy as np

from lamina.core.layer import Layer
from lamina.errors import ArgumentError, StreamError
from lamina.testing.ending import EndAfter, Ended
from lamina.testing.proofs.model_fits import expect_same_model, fit_with, require_training, trainer_of
from lamina.testing.proofs.model_trial import ModelTrial
from lamina.testing.report import CheckError

__all__ = ["resumed"]

_BATCH, _EPOCHS = 2, 2


def resumed(trial: ModelTrial) -> str:
    """Check that a run kept in a folder, and ended after a step, goes on to the same bits; in chunks too, where it can.

    It ends after its first step, in the middle, and before its last.
    """
    goals, told = require_training(trial), []
    for options in ({}, {"truncate": 2}):
        given = {"batch_size": _BATCH, **goals.weights(goals.weighings[-1]), **options}
        once = trial.built()
        try:
            steps, history = _run(trial, once, given, 0, None)
        except (StreamError, ArgumentError):
            if options:
                continue
            raise
        for end in sorted({1, (steps + 1) // 2, steps}):
            with tempfile.TemporaryDirectory() as folder:
                with contextlib.suppress(Ended):
                    _run(trial, trial.built(), given, end, folder)
                again = trial.built()
                found, other = _run(trial, again, given, 0, folder)
            what = f"gone on with after step {end}{', in chunks' if options else ''}"
            expect_same_model(what, again, once)
            if found != steps or not np.array_equal(other, history, equal_nan=True):  # of no terms it is NaN
                raise CheckError(f"{what}: expected {steps} steps and losses {history}, got {found} and {other}")
        told.append("in chunks" if options else "whole")
    return ", ".join(told)


def _run(
    trial: ModelTrial, model: Layer, given: dict[str, Any], end: int, folder: str | None
) -> tuple[int, list[float]]:
    """Train a model, or go on with it, and end after so many steps; return how many there were, and the losses."""
    trainer, ending = trainer_of(trial, model), EndAfter()
    trainer.callbacks.append(ending)
    ending.left = end
    fit_with(trial, trainer, epochs=_EPOCHS, **given, checkpoint=folder, every=1)
    return trainer.optimizer.steps, trainer.history["loss"]
