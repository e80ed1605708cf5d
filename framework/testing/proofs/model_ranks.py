"""The relation of ranks: several that share every batch train a model as one process does."""

from __future__ import annotations

from typing import Any

from lamina.core.layer import Layer
from lamina.errors import ArgumentError, StreamError
from lamina.testing.proofs.model_fits import expect_same_model, fit_with, fitting, require_training, trainer_of
from lamina.testing.proofs.model_rounding import expect_trained
from lamina.testing.proofs.model_trial import ModelTrial
from lamina.testing.ranks import run_ranks
from lamina.testing.report import CheckError, Skip

__all__ = ["shared"]

# Rows a batch: the last one of an epoch has fewer, and fewer than there are ranks.
_BATCH = 4
_EPOCHS = 2


def shared(trial: ModelTrial) -> float:
    """Check that ranks come to what one process does, and all to the same bits; in chunks too, where it can be cut."""
    goals, worst = require_training(trial), 0.0
    if trial.moves and any(type(layer).__name__ not in _MOVING for layer in _moving(trial.shared)):
        raise Skip("rows depend on one another in training")
    for ranks, weighed, options in ((2, goals.weighings[0], {}), (3, goals.weighings[-1], {"truncate": 2})):
        given = {"batch_size": _BATCH, "epochs": _EPOCHS, **goals.weights(weighed), **options}
        fit = fitting(trial, **given)
        try:
            alone = fit(trial.precise(new=True))
        except (StreamError, ArgumentError):
            if options:
                continue
            raise
        models = [trial.precise(new=True) for _ in range(ranks)]
        try:
            _on_ranks(trial, models, given)
        except ArgumentError as error:
            raise Skip(str(error)) from None
        what = f"on {ranks} ranks{', in chunks' if options else ''}"
        for other in models[1:]:
            expect_same_model(what, other, models[0])
        worst = max(worst, expect_trained(trial, what, models[0], alone, fit))
    return worst


# What adds up over the ranks what it measures of a batch.
_MOVING = ("BatchNorm",)


def _moving(model: Layer) -> list[Layer]:
    """Return the layers that have what is not trained."""
    return [layer for _, layer in model.walk() if any(not one.trainable for one in layer.own_parameters().values())]


def _on_ranks(trial: ModelTrial, models: list[Layer], given: dict[str, Any]) -> None:
    """Train a model on each rank: by a plan where the backend has one."""

    def train(communicator: Any) -> list[float]:
        trainer = trainer_of(trial, models[communicator.rank], communicator=communicator, compile=None)
        fit_with(trial, trainer, **given)
        return trainer.history["loss"]

    losses = run_ranks(len(models), train)
    if any(repr(one) != repr(losses[0]) for one in losses):
        raise CheckError(f"expected the same losses on all ranks, got {losses}")
