"""What a training run is made of: a model and what trains it, and the data in their order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.core.layer import Layer
from lamina.core.parameter import Parameter
from lamina.core.stretch import Stretch, neighbours
from lamina.optimization.optimizer import Optimizer
from lamina.train.feeds import Feed, Order
from lamina.train.objective import Objective
from lamina.train.planned import PlannedFeed

__all__ = ["Parts", "Plan"]


@dataclass(frozen=True)
class Parts:
    """What is trained, and with what.

    Attributes
    ----------
    model : Layer
    objective : Objective
    optimizer : Optimizer
    parameters : list of Parameter
        All of the model's.
    accumulate : int
        How many batches make a step.
    check_finite : bool
    """

    model: Layer
    objective: Objective
    optimizer: Optimizer
    parameters: list[Parameter]
    accumulate: int = 1
    check_finite: bool = False

    def zero_grad(self) -> Callable[[], None]:
        """Return what sets all gradients to 0, also of parameters that the optimizer is not over: they would grow."""
        if set(map(id, self.parameters)) <= set(map(id, self.optimizer.parameters)):
            return self.optimizer.zero_grad
        stretches = [Stretch(parameters) for parameters in neighbours(self.parameters)]

        def zero_grad() -> None:
            for stretch in stretches:
                stretch.zero_grad()

        return zero_grad


@dataclass(frozen=True)
class Plan:
    """Over which data, and in which steps.

    Attributes
    ----------
    feed, validation : Feed
        Checked; None without validation data.
    order : Order or None
        In which order the rows are taken; theirs without one.
    truncate : int or None
        How many steps of time each batch is cut into.
    facts : dict
        What is noted on the model beside what the run finds.
    planned : PlannedFeed or None
        How steps are taken that the backend has planned.
    generator : numpy.random.Generator or None
        From which the order is drawn.
    """

    feed: Feed
    validation: Feed | None
    order: Order | None
    truncate: int | None
    facts: dict[str, Any]
    planned: PlannedFeed | None = None
    generator: np.random.Generator | None = None
