"""The closure that some optimizers take: it computes a batch's loss and gradients anew, at the weights as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from lamina.backends import Array
from lamina.core.layer import Layer
from lamina.core.lengths import lengths_after
from lamina.core.proven import proofs
from lamina.errors import ArgumentError
from lamina.kinds.random import rows_of_batch
from lamina.optimization.optimizer import Optimizer
from lamina.train.accumulation import Accumulation
from lamina.train.batches import Batch
from lamina.train.before import Before
from lamina.train.objective import Objective

__all__ = ["Again", "Computed", "compute", "require_closable"]


class Computed(NamedTuple):
    """A batch that was run forward and backward.

    Attributes
    ----------
    value : 0-d array
        The loss.
    values : tuple of 0-d arrays
        That of each output.
    prediction : array, or tuple of them
    lengths : array, tuple or None
        Of the outputs.
    """

    value: Array
    values: tuple[Array, ...]
    prediction: Any
    lengths: Any


def compute(model: Layer, objective: Objective, batch: Batch, gradients: Accumulation | None = None) -> Computed:
    """Run a batch, proven before, forward and backward: its gradients are added to the parameters', or weighed so."""
    with proofs:
        batch.note_proven(objective.goals)
        prediction, saved = model.forward(*batch.inputs, **batch.options)
        lengths = lengths_after(model, batch.options.get("lengths"))
        value, values, loss_saved = objective.forward(model.backend, prediction, batch, lengths)
    gradient = objective.backward(loss_saved)
    if gradients is not None:
        gradient = gradients.weigh(gradient, value, objective.terms(prediction, batch, lengths)[0])
    model.backward(gradient, saved, input_gradient=False)
    return Computed(value, values, prediction, lengths)


class Again:
    """Computes a batch again and again, each time with the same random masks, and as if statistics had moved once.

    Parameters
    ----------
    model : Layer
    objective : Objective
    zero_grad : callable
    gradients : Accumulation, optional
        Where each rank has a part of the batch.
    """

    def __init__(
        self,
        model: Layer,
        objective: Objective,
        zero_grad: Callable[[], None],
        gradients: Accumulation | None = None,
    ) -> None:
        self._gradients = gradients
        self._model = model
        self._objective = objective
        self._zero_grad = zero_grad
        self._before = Before(model)

    def keep(self) -> None:
        """Note, before a batch, what its forward pass changes."""
        self._before.keep()

    def closure(self, batch: Batch, value: Array, optimizer: Optimizer) -> Callable[[], Array]:
        """Return an optimizer's closure for a batch computed since `keep`: its first call gives that loss."""
        known: list[Array] = [value]

        def evaluate() -> Array:
            return known.pop() if known else self._compute(batch, optimizer)

        return evaluate

    def _compute(self, batch: Batch, optimizer: Optimizer) -> Array:
        self._before.put_draws(self._model)
        self._before.put_statistics()
        self._zero_grad()
        if self._gradients is None:
            return compute(self._model, self._objective, batch).value
        with rows_of_batch(0 if batch.part is None else batch.part.first, batch.rows):
            compute(self._model, self._objective, batch, self._gradients)
        return self._gradients.finish(optimizer)


def require_closable(optimizer: Optimizer, accumulate: int, truncate: int | None) -> None:
    """Raise `ArgumentError` where an optimizer computes a step's loss anew, and that is of more than one batch."""
    if optimizer.needs_closure and (accumulate != 1 or truncate is not None):
        got = f"accumulate={accumulate}" if truncate is None else f"truncate={truncate}"
        raise ArgumentError(
            f"Trainer: {optimizer.label} computes a batch anew in each step, expected whole ones, got {got}"
        )
