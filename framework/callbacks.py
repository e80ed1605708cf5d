"""Callbacks: what happens between the steps and epochs of a training run."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamina.arguments import whole
from lamina.backends import Array
from lamina.checkpoint import require_savable
from lamina.errors import ArgumentError, unknown
from lamina.files import require_writable

if TYPE_CHECKING:
    from lamina.trainer import Trainer

__all__ = ["CSVLog", "Callback", "EarlyStopping", "LearningRateSchedule", "SaveBest", "require_figure"]


class Callback:
    """The base class of callbacks: each method does nothing until it is overridden.

    Epochs and steps count from 1. ``trainer.stop()`` ends training after the current epoch.

    Examples
    --------
    >>> class Tell(Callback):
    ...     def on_epoch_end(self, trainer, epoch, values):
    ...         print(f"epoch {epoch} of {trainer.epochs}: {sorted(values)}")
    """

    def check(self, trainer: Trainer) -> None:
        """Raise where this callback could not do its work; called before anything changes.

        ``trainer.figures`` tells what there will be to watch, and ``trainer.model`` is built.
        """

    def on_train_begin(self, trainer: Trainer) -> None:
        """Begin training."""

    def on_epoch_begin(self, trainer: Trainer, epoch: int) -> None:
        """Begin an epoch."""

    def on_step_end(self, trainer: Trainer, epoch: int, step: int, loss: Array) -> None:
        """End a step; ``loss`` is a 0-d array, and reading it waits for the device."""

    def on_epoch_end(self, trainer: Trainer, epoch: int, values: dict[str, float]) -> None:
        """End an epoch that was completed; ``values`` are its figures, which ``trainer.history`` holds already."""

    def on_train_end(self, trainer: Trainer) -> None:
        """End training, after Ctrl-C too; not after an error."""


class _Watching(Callback):
    """A callback that watches one figure for its best value."""

    def __init__(self, monitor: str, min_delta: float = 0.0) -> None:
        self.monitor = monitor
        self.min_delta = _number(self, "min_delta", min_delta)
        self.best_epoch = 0
        self.best_value = math.nan

    def check(self, trainer: Trainer) -> None:
        """Raise where there will be no figure of that name."""
        require_figure(self, self.monitor, trainer)

    def on_train_begin(self, trainer: Trainer) -> None:
        """Forget an earlier run."""
        self.best_epoch, self.best_value = 0, math.nan

    def improves(self, trainer: Trainer, epoch: int, values: dict[str, float]) -> bool:
        """Tell whether an epoch is the best so far, and note it if so; NaN never is."""
        value = values[self.monitor]
        gain = value - self.best_value if trainer.figures[self.monitor] else self.best_value - value
        if math.isnan(value) or not (self.best_epoch == 0 or gain > self.min_delta):
            return False
        self.best_epoch, self.best_value = epoch, value
        return True


class EarlyStopping(_Watching):
    """Stop once a figure has not improved for some epochs, and go back to the weights that gave the best.

    ``model.facts["training"]["restored_epoch"]`` tells which epoch's weights those are.

    Parameters
    ----------
    monitor : str
        ``"loss"``, a metric's name, or one of them with ``val_`` in front. Whether higher is better, the metric
        says.
    patience : int
        How many epochs in a row may bring no improvement.
    min_delta : float
        A change counts as an improvement only where it is more than this.
    restore_best : bool
        Whether the best epoch's weights are put back, also where training ends for another reason.

    Attributes
    ----------
    best_epoch : int
        0 before there is one.
    best_value : float
    stopped_epoch : int
        After which it stopped training; 0 where it did not.

    Raises
    ------
    ArgumentError
        If patience is not a positive whole number or min_delta is negative; before training, if the figure
        is one of validation data and there is none.
    UnknownNameError
        Before training, if there will be no figure of that name.
    """

    def __init__(
        self, monitor: str = "val_loss", patience: int = 10, min_delta: float = 0.0, restore_best: bool = True
    ) -> None:
        super().__init__(monitor, min_delta)
        self.patience = whole("EarlyStopping", "patience", patience)
        self.restore_best = restore_best
        self.stopped_epoch = 0
        self._weights: dict[str, Any] | None = None

    def on_train_begin(self, trainer: Trainer) -> None:
        """Forget an earlier run."""
        super().on_train_begin(trainer)
        self.stopped_epoch, self._weights = 0, None

    def on_epoch_end(self, trainer: Trainer, epoch: int, values: dict[str, float]) -> None:
        """Keep the best weights, or stop."""
        if self.improves(trainer, epoch, values):
            self._weights = trainer.model.state_dict() if self.restore_best else None
        elif epoch - self.best_epoch >= self.patience:
            self.stopped_epoch = epoch
            trainer.stop()

    def on_train_end(self, trainer: Trainer) -> None:
        """Put the best weights back."""
        if self.stopped_epoch:
            best = f"; its best is {self.best_value:.4g}, epoch {self.best_epoch}" if self.best_epoch else ""
            trainer.note(f"stopped: no better {self.monitor} for {self.patience} epochs{best}")
        if self._weights is not None:  # after Ctrl-C even the last epoch's weights have moved on
            trainer.model.load_state_dict(self._weights)
            trainer.model.facts["training"]["restored_epoch"] = self.best_epoch
        self._weights = None


class SaveBest(_Watching):
    """Write the model to a file whenever a figure is better than ever in this run.

    Parameters
    ----------
    path : str or Path
        See `Layer.save`. Its folder is made where there is none.
    monitor : str
        As for `EarlyStopping`.

    Attributes
    ----------
    best_epoch : int
    best_value : float

    Raises
    ------
    OutputError, CheckpointError
        Before training, if the file cannot be written or the model cannot be saved.
    ArgumentError, UnknownNameError
        Before training, as for `EarlyStopping`.
    """

    def __init__(self, path: str | Path, monitor: str = "val_loss") -> None:
        super().__init__(monitor)
        self.path = Path(path)

    def check(self, trainer: Trainer) -> None:
        """Raise where saving would fail."""
        super().check(trainer)
        require_savable(trainer.model)
        require_writable(self.path)

    def on_epoch_end(self, trainer: Trainer, epoch: int, values: dict[str, float]) -> None:
        """Save the model where it is the best so far."""
        if self.improves(trainer, epoch, values):
            trainer.model.save(self.path)


class CSVLog(Callback):
    """Write the history to a file after each epoch: whole, at every moment.

    Parameters
    ----------
    path : str or Path
        What stood there is replaced once an epoch ends. Its folder is made where there is none.

    Raises
    ------
    OutputError
        Before training, if the file cannot be written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def check(self, trainer: Trainer) -> None:
        """Raise where the file cannot be written."""
        require_writable(self.path)

    def on_epoch_end(self, trainer: Trainer, epoch: int, values: dict[str, float]) -> None:
        """Write all epochs so far."""
        trainer.history.to_csv(self.path)


class LearningRateSchedule(Callback):
    """Set the learning rate before each epoch.

    Parameters
    ----------
    function : callable
        ``function(epoch) -> lr`` or ``function(epoch, lr) -> lr``, where epoch counts from 1 and lr is the rate
        so far.

    Raises
    ------
    ArgumentError
        If it is no such function; while training, if it returns no positive number.

    Examples
    --------
    >>> halved_every_tenth_epoch = LearningRateSchedule(lambda epoch: 0.1 * 0.5 ** ((epoch - 1) // 10))
    >>> slowly_falling = LearningRateSchedule(lambda epoch, lr: lr * 0.99)
    """

    def __init__(self, function: Callable[..., float]) -> None:
        if not callable(function):
            raise ArgumentError(f"LearningRateSchedule: expected a function of the epoch, got {function!r}")
        self.function = function
        self._takes_rate = _takes_two(function)

    def on_epoch_begin(self, trainer: Trainer, epoch: int) -> None:
        """Set the rate."""
        optimizer = trainer.optimizer
        rate = self.function(epoch, optimizer.lr) if self._takes_rate else self.function(epoch)
        optimizer.require("lr", rate, above=0)
        optimizer.lr = float(rate)


def require_figure(callback: Callback, monitor: str, trainer: Trainer) -> None:
    """Raise where there will be no figure of that name for a callback to watch.

    Parameters
    ----------
    callback : Callback
        For the message.
    monitor : str
        The figure's name, such as ``"val_loss"``.
    trainer : Trainer
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


def _takes_two(function: Callable[..., Any]) -> bool:
    """Tell whether a function must be given a second argument."""
    try:
        arguments = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # built in, without a signature
        return False
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [one for one in arguments if one.kind in positional and one.default is one.empty]
    return len(needed) > 1


def _number(owner: object, name: str, value: Any) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value >= 0:
        return float(value)
    raise ArgumentError(f"{type(owner).__name__}: expected {name} to be 0 or more, got {value!r}")
