"""What a checkpoint of a training run holds, and of which run."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from lamina.backends import Backend
from lamina.checkpoints.store import Content
from lamina.compose.states import State, is_count, map_state
from lamina.core.layer import Layer
from lamina.core.version import __version__
from lamina.errors import CheckpointError
from lamina.kinds.random import RandomLayer
from lamina.optimization.optimizer import Optimizer
from lamina.train.callback import Callback, Training
from lamina.train.place import Place, Whole

__all__ = ["Saved", "content_of", "deal", "require_content"]

# What a checkpoint holds.
_KEPT: dict[str, type] = {
    **dict.fromkeys(
        ("settings", "place", "parameters", "draws", "optimizer", "history", "generator", "training"), dict
    ),
    **dict.fromkeys(("frozen", "callbacks"), list),
    **dict.fromkeys(("taken_by", "backend", "lamina"), str),
    **dict.fromkeys(("finished", "stopped"), bool),
    **dict.fromkeys(("steps", "ranks"), int),
    "best": float,
}


class Saved(Protocol):
    """What a saver keeps of a run.

    Attributes
    ----------
    model : Layer
    optimizer : Optimizer
    training : Training
    callbacks : list of Callback
    generator : numpy.random.Generator
        Of the order of the rows.
    stopped : bool
    taken_by : str
        What takes its steps: states inside a batch are of that alone.
    rank_count : int
        On how many ranks.
    """

    training: Training
    callbacks: list[Callback]
    stopped: bool

    @property
    def taken_by(self) -> str: ...  # noqa: D102

    @property
    def rank_count(self) -> int: ...  # noqa: D102

    @property
    def model(self) -> Layer: ...  # noqa: D102

    @property
    def optimizer(self) -> Optimizer: ...  # noqa: D102

    @property
    def generator(self) -> np.random.Generator: ...  # noqa: D102


def content_of(run: Saved, place: Place) -> Content:
    """Return what a checkpoint holds of a run that stands at a place."""
    model = run.model
    return {
        "place": place.content(),
        "stopped": run.stopped,
        "taken_by": run.taken_by,
        "ranks": run.rank_count,
        "parameters": model.state_dict(),
        "frozen": [name for name, one in model.named_parameters().items() if not one.trainable],
        "draws": {path: layer.draws for path, layer in model.walk() if isinstance(layer, RandomLayer)},
        "optimizer": run.optimizer.state_dict(),
        "history": run.training.history.state_dict(),
        "callbacks": [callback.state_dict() for callback in run.callbacks],
        "generator": dict(run.generator.bit_generator.state),
        "training": model.facts.get("training", {}),
        "backend": model.backend.name,
        "lamina": __version__,
    }


def deal(run: Saved, found: Content, place: Place, rank: int) -> None:
    """Give a rank what is its own at the place that a checkpoint tells, or, where there were others, its share.

    Sums of an epoch go on where they were; those of other ranks on rank 0. States of other ranks are put together.
    """
    before = found["ranks"]
    if before == run.rank_count:
        if before > 1:
            place.meter = None if place.meter is None else place.meter[rank]
            place.carried = None if place.carried is None else place.carried[rank]
        return
    if rank:
        place.meter = None
    if place.carried is not None:
        place.carried = Whole(joined(run.model.backend, place.carried) if before > 1 else place.carried)


def joined(backend: Backend, states: list[State]) -> State:
    """Return the states of several ranks' rows as one: each rank's after those of the ranks before it."""

    def rows(*parts: Any) -> Any:
        return np.concatenate(parts) if is_count(parts[0]) else backend.concatenate(parts, 0)

    return map_state(rows, *states)


def require_content(folder: str, found: Content) -> None:
    """Raise `CheckpointError` where what was found in a folder is no checkpoint's; an early one knows of one rank."""
    found.setdefault("ranks", 1)
    if {name: type(value) for name, value in found.items()} != _KEPT:
        raise CheckpointError(f"{folder!r}: its content is no run's, but {sorted(found)}")
