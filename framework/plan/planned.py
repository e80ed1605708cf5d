"""A planned step of a model: the program lowered for the shapes at hand, and lowered anew where these grow."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from lamina.backends import Array
from lamina.backends.program import Given, Program
from lamina.backends.step import Step
from lamina.core.changes import changes
from lamina.core.layer import Layer
from lamina.core.lowering import NotPlanned
from lamina.losses.loss import Loss
from lamina.optimization.optimizer import Optimizer
from lamina.plan.beside import Beside
from lamina.plan.lower import Aim, Shaped, lower_each
from lamina.plan.updates import Updates

__all__ = ["PlannedStep", "blocks_for", "shaped"]

# Rows times steps times weights from which on a block is worth a thread: to wait for one takes as long as these.
_WORTH_A_THREAD = 2_000_000


def shaped(array: Any) -> Shaped:
    """Return what a plan has to know of an array."""
    return Shaped(tuple(array.shape), array.dtype.kind in "iub")


def blocks_for(program: Program, threads: int) -> int:
    """Return into how many blocks rows are dealt: as many as there are threads, where each has enough to do."""
    weights: int = sum(gradient.size for gradient in program.gradients)
    return max(1, min(threads, program.rows, program.rows * program.steps * weights // _WORTH_A_THREAD))


class PlannedStep:
    """A training step that the model's backend has planned.

    Parameters
    ----------
    model : Layer
        Built.
    losses : tuple of Loss or None
        Of each output; None where it is not trained.
    optimizer : Optimizer
    inputs, targets, weights : tuple of array
        Such as will be given: their shapes and dtypes are looked at. Of each output a target and the weights of its
        terms, None where there are none. An output without a target is not trained.
    rows : int
        The most in a batch.
    threads : int
    truncate : int, optional
        How many steps a run takes at most.
    part : bool
        Whether a run is a part of a step, to which `add` adds, and the optimizer, which makes its own update, is called
        by whoever counts the parts.
    summed : bool
        Whether gradients are of the sum of the terms also where a loss is a mean.

    Attributes
    ----------
    plan : Step
    program : Program
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
        losses: tuple[Loss | None, ...],
        optimizer: Optimizer,
        inputs: tuple[Array, ...],
        targets: tuple[Array | None, ...],
        weights: tuple[Array | None, ...],
        rows: int,
        threads: int = 1,
        truncate: int | None = None,
        part: bool = False,
        summed: bool = False,
    ) -> None:
        backend = model.backend
        self.optimizer = optimizer
        self.updates: Updates | None = None
        self.why_own_update = "a step has several batches" if part else ""
        self._beside = Beside()
        if not part:
            try:
                self.updates = Updates(optimizer)
            except NotPlanned as reason:
                self.why_own_update = str(reason)
        shapes, aims = tuple(shaped(one) for one in inputs), list[Aim | None]()
        for loss, target, own in zip(losses, targets, weights, strict=True):
            weighed = None if own is None else shaped(own)
            aims.append(None if loss is None or target is None else Aim(loss, shaped(target), weighed))
        self._trained = [aim is not None for aim in aims]

        def lowered(updates: Updates | None) -> Program:
            return lower_each(model, aims, updates, shapes, rows, self._beside, truncate, summed)

        program = lowered(self.updates)
        if self.updates is not None and (why := backend.why_not_planned(program)):
            without = lowered(None)
            if not backend.why_not_planned(without):
                program, self.updates, self.why_own_update = without, None, why
        plan = backend.plan(program, blocks_for(program, threads))
        if plan is None:
            raise NotPlanned(backend.why_not_planned(program))
        self.plan: Step = plan
        self.program = program
        self._again = plan.again
        #: As which each of the inputs and targets is given.
        self.dtypes = ["int64" if one.integers else program.dtype for one in (*program.inputs, *program.targets)]
        self._changes = changes.count
        self._has_beside = bool(self._beside)

    @property
    def stands(self) -> bool:
        """Whether parameters and the optimizer's state lie where the plan has them, and all is set as it was."""
        return changes.count == self._changes and (self.updates is None or self.updates.stands)

    def give(
        self,
        inputs: tuple[Array, ...],
        targets: tuple[Array | None, ...],
        weights: tuple[Array | None, ...],
        lengths: Array | None,
    ) -> None:
        """Take the arrays of which `run` takes rows; those of another dtype than its own are copied."""
        each = zip(self._trained, targets, weights, strict=True)
        aims = [one for trained, *own in each if trained for one in own if one is not None]
        arrays = [np.ascontiguousarray(one, kind) for one, kind in zip((*inputs, *aims), self.dtypes, strict=True)]
        self.plan.give(Given(tuple(arrays[: len(inputs)]), tuple(arrays[len(inputs) :]), lengths))

    def add(self, rows: Array, count: int, first: bool) -> None:
        """Add the gradients of some rows to those before, or forget these where it is the first part of a step."""
        self._beside.begin(self.plan, count, first)
        self.plan.run(rows, count, clear=first, update=False)
        self._beside.finish(self.plan)

    def again(self, count: int) -> bool | None:
        """Do what ``run(None, count, check=True)`` does, in little Python; None where it does not stand."""
        updates = self.updates
        if changes.count != self._changes:
            return None
        if updates is None or self._has_beside or not updates.refresh(self.plan):
            return self.run(None, count, check=True) if self.stands else None
        if self._again(count):
            return True
        updates.take_back()
        return False

    def replay(self, count: int) -> Callable[[], bool | None]:
        """Return what does ``again(count)``, in less Python still while nothing changes."""
        slow = partial(self.again, count)
        simple = self.updates is not None and not self._has_beside and changes.count == self._changes
        return self.updates.replay(self.plan, slow) if simple and self.updates is not None else slow

    def run_then(self, rows: Array | None, count: int, look: Callable[[], None]) -> None:
        """Take a step on some rows, with something done in between: gradients are there, and weights as before.

        What that raises ends the step; nothing is updated then, nor counted as a step.
        """
        self._beside.begin(self.plan, count)
        self.plan.run(rows, count, update=False)
        self._beside.finish(self.plan)
        look()
        updates = self.updates
        if updates is None or not updates.refresh(self.plan):
            self.optimizer.step()
            return
        self.plan.update()
        updates.finish()

    def run(self, rows: Array | None, count: int, check: bool = False) -> bool:
        """Take a step on some rows: the gradients are theirs alone.

        With ``check`` False is returned, and nothing done, where whole numbers are out of their bounds.
        """
        updates, plan = self.updates, self.plan
        beside = self._beside if self._has_beside else None
        if beside is not None:
            beside.begin(plan, count)
        own = updates is None or not updates.refresh(plan)  # where the optimizer makes its own update
        if not plan.run(rows, count, update=not own, check=check):
            if beside is not None:
                beside.take_back()
            if updates is not None and not own:
                updates.take_back()
            return False
        if beside is not None:
            beside.finish(plan)
        if own:
            self.optimizer.step()
        elif beside is not None and updates is not None:
            updates.finish()
        return True
