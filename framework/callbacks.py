"""Callbacks: what happens between the steps and epochs of a training run."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lamina.core.arguments import flag, number, whole
from lamina.core.model_file import require_savable
from lamina.errors import ArgumentError
from lamina.files import require_writable
from lamina.train.callback import Callback, Training, require_figure

__all__ = ["CSVLog", "Callback", "EarlyStopping", "LearningRateSchedule", "SaveBest", "require_figure"]


class _Watching(Callback):
    """A callback that watches one figure for its best value."""

    def __init__(self, monitor: str, min_delta: float = 0.0) -> None:
        self.monitor = monitor
        self.min_delta = number(self, "min_delta", min_delta, least=0)
        self.best_epoch = 0
        self.best_value = math.nan

    def check(self, trainer: Training) -> None:
        """Raise where there will be no figure of that name."""
        require_figure(self, self.monitor, trainer)

    def on_train_begin(self, trainer: Training) -> None:
        """Forget an earlier run."""
        self.best_epoch, self.best_value = 0, math.nan

    def improves(self, trainer: Training, epoch: int, values: dict[str, float]) -> bool:
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
        self.patience = whole(self, "patience", patience)
        self.restore_best = flag(self, "restore_best", restore_best)
        self.stopped_epoch = 0
        self._weights: dict[str, Any] | None = None

    def on_train_begin(self, trainer: Training) -> None:
        """Forget an earlier run."""
        super().on_train_begin(trainer)
        self.stopped_epoch, self._weights = 0, None

    def on_epoch_end(self, trainer: Training, epoch: int, values: dict[str, float]) -> None:
        """Keep the best weights, or stop."""
        if self.improves(trainer, epoch, values):
            self._weights = trainer.model.state_dict() if self.restore_best else None
        elif epoch - self.best_epoch >= self.patience:
            self.stopped_epoch = epoch
            trainer.stop()

    def on_train_end(self, trainer: Training) -> None:
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

    def check(self, trainer: Training) -> None:
        """Raise where saving would fail."""
        super().check(trainer)
        require_savable(trainer.model)
        require_writable(self.path)

    def on_epoch_end(self, trainer: Training, epoch: int, values: dict[str, float]) -> None:
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

    def check(self, trainer: Training) -> None:
        """Raise where the file cannot be written."""
        require_writable(self.path)

    def on_epoch_end(self, trainer: Training, epoch: int, values: dict[str, float]) -> None:
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

    def on_epoch_begin(self, trainer: Training, epoch: int) -> None:
        """Set the rate."""
        optimizer = trainer.optimizer
        rate = self.function(epoch, optimizer.lr) if self._takes_rate else self.function(epoch)
        optimizer.lr = number(self, "rate", rate, above=0)


def _takes_two(function: Callable[..., Any]) -> bool:
    """Tell whether a function must be given a second argument."""
    try:
        arguments = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # built in, without a signature
        return False
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [one for one in arguments if one.kind in positional and one.default is one.empty]
    return len(needed) > 1
