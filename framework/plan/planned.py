"""A planned step of a model: the program lowered for the shapes at hand, and lowered anew where these grow."""

from __future__ import annotations

from typing import Any

from lamina.backends import Array
from lamina.backends.program import Given, Program, Step
from lamina.core.layer import Layer
from lamina.core.lowering import NotPlanned
from lamina.losses.loss import Loss
from lamina.optimization.optimizer import Optimizer
from lamina.plan.lower import Shaped, lower
from lamina.plan.updates import Updates

__all__ = ["PlannedStep", "shaped"]


def shaped(array: Any) -> Shaped:
    """Return what a plan has to know of an array."""
    return Shaped(tuple(array.shape), array.dtype.kind in "iub")


class PlannedStep:
    """A training step that the model's backend has planned.

    Parameters
    ----------
    model : Layer
        Built.
    loss : Loss
    optimizer : Optimizer
    inputs, targets : tuple of array
        Such as will be given: their shapes and dtypes are looked at. The second target are weights of the terms.
    rows : int
        The most in a batch.
    threads : int

    Attributes
    ----------
    plan : Step
    updates : Updates or None
        None where the optimizer makes its own update.
    why_own_update : str
        Why it does.

    Raises
    ------
    NotPlanned
        If the backend cannot plan it.
    """

    def __init__(
        self,
        model: Layer,
        loss: Loss,
        optimizer: Optimizer,
        inputs: tuple[Array, ...],
        targets: tuple[Array, ...],
        rows: int,
        threads: int = 1,
    ) -> None:
        backend = model.backend
        self.optimizer = optimizer
        self.updates: Updates | None = None
        self.why_own_update = ""
        try:
            self.updates = Updates(optimizer)
        except NotPlanned as reason:
            self.why_own_update = str(reason)
        target, *weights = [shaped(one) for one in targets]
        shapes = tuple(shaped(one) for one in inputs)

        def lowered(updates: Updates | None) -> Program:
            return lower(model, loss, updates, shapes, target, rows, weights[0] if weights else None)

        program = lowered(self.updates)
        if self.updates is not None and (reason := backend.why_not_planned(program)):
            without = lowered(None)
            if not backend.why_not_planned(without):
                program, self.updates, self.why_own_update = without, None, reason
        plan = backend.plan(program, threads)
        if plan is None:
            raise NotPlanned(backend.why_not_planned(program))
        self.plan: Step = plan
        self._storages = [(parameter, parameter.storage) for parameter in model.parameters()]

    @property
    def stands(self) -> bool:
        """Whether the parameters still lie where the plan has them, and are trained as it has them."""
        return all(parameter.storage is storage for parameter, storage in self._storages)

    def give(self, inputs: tuple[Array, ...], targets: tuple[Array, ...], lengths: Array | None) -> None:
        """Take the arrays of which `run` takes rows."""
        self.plan.give(Given(inputs, targets, lengths))

    def run(self, rows: Array | None, count: int) -> None:
        """Take a step on some rows: the gradients are theirs alone."""
        updates = self.updates
        if updates is None:
            self.plan.run(rows, count, update=False)
            self.optimizer.step()
            return
        updates.begin()
        for index, values in enumerate(updates.settings()):
            self.plan.set(index, values)
        self.plan.run(rows, count)
