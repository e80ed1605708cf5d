"""Whether the steps of a run are taken by a plan, and what is said where they are not."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.core.arguments import name_of
from lamina.core.layer import Layer
from lamina.core.lowering import NotPlanned, own_lowering
from lamina.data.goals import Goal
from lamina.data.shapes import Data
from lamina.errors import ArgumentError
from lamina.optimization.optimizer import Optimizer
from lamina.train.feeds import ArrayFeed, Feed
from lamina.train.planned import PlannedFeed
from lamina.train.ranks import Ranks

__all__ = ["hint", "planned_feed"]

# Seconds of a run from which on it is said that its steps could be compiled.
_LONG = 120.0


def planned_feed(
    trainer: Any,
    feed: Feed,
    goals: tuple[Goal, ...],
    optimizer: Optimizer,
    truncate: int | None,
    ranks: Ranks | None = None,
) -> PlannedFeed | None:
    """Return how the steps of a run are taken by a plan; None where they are not.

    Parameters
    ----------
    trainer : Trainer
        Its ``compile`` says whether they must, may or must not be.
    feed : Feed
    goals : tuple of Goal
    optimizer : Optimizer
    truncate : int or None
    ranks : Ranks or None

    Raises
    ------
    ArgumentError
        If they must be planned and cannot.
    """
    if trainer.compile is False:
        return None
    try:
        if trainer.precision != "fp32":
            raise NotPlanned("with precision no step is planned")
        if ranks is not None and optimizer.needs_closure:
            raise NotPlanned(f"{optimizer.label} computes a step's loss anew, of all ranks' rows")
        return PlannedFeed(
            _plannable(feed, goals),
            goals,
            optimizer,
            truncate,
            trainer.accumulate,
            check_finite=trainer.check_finite,
            ranks=ranks,
        )
    except NotPlanned as reason:
        if trainer.compile:
            raise ArgumentError(f"Trainer: compile=True, but {reason}") from None
        return None


def _plannable(feed: Feed, goals: tuple[Goal, ...]) -> ArrayFeed:
    """Return the feed, of data that plans take."""
    if not feed.model.backend.plans_steps:
        raise NotPlanned(f"backend {feed.model.backend.name!r} plans no steps")
    if not isinstance(feed, ArrayFeed):
        raise NotPlanned("the data are no arrays in memory")
    data = feed.data
    for goal, target in zip(goals, _targets(data), strict=True):
        if goal.loss is None or target is None:
            continue
        if np.ma.isMaskedArray(target) or target.dtype.kind not in "iubf":
            raise NotPlanned(f"{name_of(goal.loss)} has targets of {target.dtype}")
    return feed


def _targets(data: Data) -> tuple[Any, ...]:
    return data.target if isinstance(data.target, tuple) else (data.target,)


def hint(model: Layer, seconds: float) -> str:
    """Return what to say of a run with so many seconds to go whose steps are not planned; empty for nothing."""
    backend = model.backend
    if seconds < _LONG or backend.plans_steps or not backend.on_host:
        return ""
    if any(own_lowering(layer) is None for _, layer in model.walk()):
        return ""
    return "backend 'numba' compiles such training steps, which may be several times as fast: pip install -e '.[numba]'"
