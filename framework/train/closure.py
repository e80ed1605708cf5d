"""The closure that some optimizers take: it computes a batch's loss and gradients anew, at the weights as they are."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from lamina.backends import Array
from lamina.core.layer import Layer
from lamina.core.lengths import lengths_after
from lamina.core.proven import proofs
from lamina.errors import ArgumentError
from lamina.kinds.random import RandomLayer
from lamina.optimization.optimizer import Optimizer
from lamina.train.batches import Batch
from lamina.train.objective import Objective

__all__ = ["Again", "require_closable"]


class Again:
    """Computes a batch again and again, each time with the same random masks, and as if statistics had moved once.

    Parameters
    ----------
    model : Layer
    objective : Objective
    zero_grad : callable
    """

    def __init__(self, model: Layer, objective: Objective, zero_grad: Callable[[], None]) -> None:
        self._model = model
        self._objective = objective
        self._zero_grad = zero_grad
        self._random = [layer for _, layer in model.walk() if isinstance(layer, RandomLayer)]
        self._moving = [one for one in model.parameters() if not one.trainable]  # such as running means
        self._draws: list[Any] = []
        self._before: list[Array] = []

    def keep(self) -> None:
        """Note, before a batch, what its forward pass changes."""
        self._draws = [copy.copy(layer._draws) for layer in self._random]
        self._before = [one.backend.copy(one.data) for one in self._moving]

    def closure(self, batch: Batch, value: Array) -> Callable[[], Array]:
        """Return the closure for a batch that was computed since `keep`: its first call gives that loss."""
        known: list[Array] = [value]

        def compute() -> Array:
            return known.pop() if known else self._compute(batch)

        return compute

    def _compute(self, batch: Batch) -> Array:
        model, objective = self._model, self._objective
        for layer, draws in zip(self._random, self._draws, strict=True):
            layer._draws = copy.copy(draws)
        for parameter, values in zip(self._moving, self._before, strict=True):
            parameter.data = values
        self._zero_grad()
        with proofs:
            batch.note_proven(objective.goals)
            prediction, saved = model.forward(*batch.inputs, **batch.options)
            lengths = lengths_after(model, batch.options.get("lengths"))
            value, _, loss_saved = objective.forward(model.backend, prediction, batch, lengths)
        model.backward(objective.backward(loss_saved), saved, input_gradient=False)
        return value


def require_closable(optimizer: Optimizer, accumulate: int, truncate: int | None) -> None:
    """Raise `ArgumentError` where an optimizer computes a step's loss anew, and that is of more than one batch."""
    if optimizer.needs_closure and (accumulate != 1 or truncate is not None):
        got = f"accumulate={accumulate}" if truncate is None else f"truncate={truncate}"
        raise ArgumentError(
            f"Trainer: {optimizer.label} computes a batch anew in each step, expected whole ones, got {got}"
        )
