"""The callback: what may happen between the steps and epochs of a training run, and what it sees of that run."""

from __future__ import annotations

from typing import Protocol

from lamina.backends import Array
from lamina.core.layer import Layer
from lamina.errors import ArgumentError, unknown
from lamina.optimization.optimizer import Optimizer
from lamina.train.history import History

__all__ = ["Callback", "Training", "require_figure"]


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

    Examples
    --------
    >>> class Tell(Callback):
    ...     def on_epoch_end(self, trainer, epoch, values):
    ...         print(f"epoch {epoch} of {trainer.epochs}: {sorted(values)}")
    """

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
        """End training, after Ctrl-C too; not after an error."""


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
