"""The loop that a trainer runs, written out."""

from __future__ import annotations

from lamina.core.layer import Layer
from lamina.core.lengths import lengths_after
from lamina.optimization.optimizer import Optimizer
from lamina.testing.proofs.model_goals import ModelGoals
from lamina.testing.proofs.model_trial import ModelTrial

__all__ = ["train_by_hand"]


def train_by_hand(
    trial: ModelTrial, goals: ModelGoals, model: Layer, optimizer: Optimizer, size: int, weighed: bool
) -> None:
    """Train a model for two epochs, its schedule attached by hand.

    Parameters
    ----------
    trial : ModelTrial
    goals : ModelGoals
    model : Layer
    optimizer : Optimizer
        Over its parameters.
    size : int
        How many rows a batch has.
    weighed : bool
        Whether rows count with different weights.
    """
    schedule = None if trial.schedule is None else trial.schedule()
    if schedule is not None:
        schedule.attach(optimizer)
    for _ in range(2):
        for start in range(0, trial.rows, size):
            rows = slice(start, start + size)
            arrays = [model.as_input(value[rows], index) for index, value in enumerate(trial.values)]
            lengths = trial.pick(rows)
            options = {} if lengths is None else {"lengths": lengths}
            model.zero_grad()
            y, saved = model.forward(*arrays, **options)
            gradient = goals.gradient(model, y, lengths_after(model, lengths), rows, weighed)
            model.backward(gradient, saved, input_gradient=False)
            optimizer.step()
            if schedule is not None and schedule.per == "step":
                schedule.advance()
        if schedule is not None and schedule.per == "epoch":
            schedule.advance()
