"""The callback: what may happen between the steps and epochs of a training run, and what it sees of that run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, ClassVar, Protocol

from lamina.backends import Array
from lamina.core.arguments import instance
from lamina.core.config import arguments_of
from lamina.core.finite import all_finite
from lamina.core.layer import Layer
from lamina.core.packed import kept_by, put_back
from lamina.errors import ArgumentError, unknown
from lamina.optimization.optimizer import Optimizer
from lamina.train.history import History

__all__ = [
    "Callback",
    "Training",
    "of_other_ranks",
    "read_callbacks",
    "require_figure",
    "require_together",
    "sound_figure",
]


class Training(Protocol):
    """What a callback sees of the trainer.

    Attributes
    ----------
    model : Layer
    history : History
        Of the epochs that were completed.
    figures : dict of str to bool
        The names of what is measured, and whether higher is better.
    epochs : int
        How many epochs there are to be.
    """

    model: Layer
    history: History
    figures: dict[str, bool]
    epochs: int

    @property
    def optimizer(self) -> Optimizer:
        """The optimizer."""

    def stop(self) -> None:
        """End training after the current epoch."""

    def note(self, text: str) -> None:
        """Say something in one line beside the progress."""


class Callback:
    """The base class of callbacks: each method does nothing until it is overridden.

    Epochs and steps count from 1. ``trainer.stop()`` ends training after the current epoch.

    A run that is kept in a folder, see `Trainer.fit`, may go on in another process. Then ``on_train_begin`` is called
    there too, and `load_state_dict` after it; ``on_epoch_begin`` is not where the epoch had begun.

    Attributes
    ----------
    sets_rate : bool
        Of the class: whether it sets the learning rate, whatever that was. A trainer takes one such callback.
        One that multiplies the rate multiplies ``optimizer.lr_factor`` too, so that both hold.
    on_every_rank : bool
        Of the class: whether it is called on each of several ranks that train together, or, as what writes files,
        on rank 0 alone. What it does to the model or the optimizer, it has to do on each.

    Examples
    --------
    >>> class Tell(Callback):
    ...     def on_epoch_end(self, trainer, epoch, values):
    ...         print(f"epoch {epoch} of {trainer.epochs}: {sorted(values)}")
    """

    sets_rate: ClassVar[bool] = False
    on_every_rank: bool = True

    def check(self, trainer: Training) -> None:
        """Raise where this callback could not do its work; called before anything changes.

        ``trainer.figures`` tells what there will be to watch, and ``trainer.model`` is built.
        """

    def on_train_begin(self, trainer: Training) -> None:
        """Begin training."""

    def on_epoch_begin(self, trainer: Training, epoch: int) -> None:
        """Begin an epoch."""

    def on_step_end(self, trainer: Training, epoch: int, step: int, loss: Array) -> None:
        """End a step; ``loss`` is a 0-d array, and reading it waits for the device."""

    def on_epoch_end(self, trainer: Training, epoch: int, values: dict[str, float]) -> None:
        """End an epoch that was completed; ``values`` are its figures, which ``trainer.history`` holds already."""

    def on_train_end(self, trainer: Training) -> None:
        """End training, however it ends: after Ctrl-C, an error or NaN too, if it was told of the beginning.

        What another callback raises here keeps it from none of them.
        """

    def state_dict(self) -> dict[str, Any]:
        """Return what it keeps from step to step, for a checkpoint.

        By default its attributes that a file can hold, but for those that its constructor is given: numbers, texts,
        arrays, generators of random numbers, and lists, tuples and dicts of them. One that keeps something else, such
        as an object of a class of its own, defines this and `load_state_dict`.
        """
        return kept_by(self, arguments_of(type(self)))

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` returned.

        Raises
        ------
        CheckpointError
            If it is another state.
        """
        put_back(self, state, self.state_dict())


def require_figure(callback: Callback, monitor: str, trainer: Training) -> None:
    """Raise where there will be no figure of that name for a callback to watch.

    Parameters
    ----------
    callback : Callback
        For the message.
    monitor : str
        The figure's name, such as ``"val_loss"``.
    trainer : Training
        Its ``figures`` are those that there will be.

    Raises
    ------
    ArgumentError
        If the figure is one of validation data and there is none.
    UnknownNameError
        If there is no such figure at all.
    """
    name, figures = type(callback).__name__, trainer.figures
    if monitor in figures:
        return
    if str(monitor).startswith("val_") and not any(figure.startswith("val_") for figure in figures):
        raise ArgumentError(f"{name}: monitor {monitor!r} needs validation data: pass validation_data to fit")
    raise unknown(f"monitor of {name}", monitor, figures)


def sound_figure(trainer: Training, monitor: str, values: dict[str, float]) -> float:
    """Return the figure of an epoch that a callback watches, or NaN, which improves on nothing.

    It is NaN where the figure is NaN or infinite, or is that of a broken model, whatever a metric makes of its
    output: one with a weight that is NaN or infinite, or whose loss over the same data is NaN.

    Parameters
    ----------
    trainer : Training
    monitor : str
        The figure's name.
    values : dict of str to float
        All figures of the epoch.
    """
    value = float(values[monitor])
    loss = values.get("val_loss" if monitor.startswith("val_") else "loss", 0.0)
    if not math.isfinite(value) or math.isnan(loss):
        return math.nan
    return value if all_finite(trainer.model.parameters()) else math.nan


def read_callbacks(callbacks: Callback | Iterable[Callback]) -> list[Callback]:
    """Return the callbacks that a trainer is given, or raise `ArgumentError` where they cannot serve it together."""
    several = (callbacks,) if isinstance(callbacks, Callback) else callbacks
    found = [instance("Trainer", "each callback", one, Callback) for one in several]
    require_together(found)
    return found


def require_together(callbacks: Sequence[Callback]) -> None:
    """Raise where callbacks cannot serve one trainer together.

    Raises
    ------
    ArgumentError
        If one is given twice, as it would count each epoch twice, or two set the learning rate.
    """
    for index, one in enumerate(callbacks):
        if any(one is other for other in callbacks[:index]):
            raise ArgumentError(f"Trainer: expected each callback once, got {_shown(one)} twice")
    setting: dict[object, Callback] = {}
    for one in filter(attrgetter("sets_rate"), callbacks):
        part = getattr(one, "part", None)  # None sets the rates of all parts
        clash = setting.get(part) or setting.get(None) or (next(iter(setting.values()), None) if part is None else None)
        if clash is not None:
            raise ArgumentError(
                f"Trainer: {_shown(clash)} and {_shown(one)} both set the learning rate: give one of them, or one "
                "ProductSchedule"
            )
        setting[part] = one


class _Elsewhere(Callback):
    """Stands on a rank for a callback that is called on another."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        pass


def of_other_ranks(callbacks: Sequence[Callback]) -> list[Callback]:
    """Return the callbacks of ranks but the first, with one that does nothing for each that is called there alone."""
    return [one if one.on_every_rank else _Elsewhere() for one in callbacks]


def _shown(callback: Callback) -> str:
    """Return a callback as its class prints it, or the class's name where it would print an address."""
    printed = type(callback).__repr__ is not object.__repr__
    return repr(callback) if printed else type(callback).__name__
