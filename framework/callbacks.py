"""Callbacks: what happens between the steps and epochs of a training run."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from lamina.core.arguments import flag, number, whole
from lamina.core.config import describe
from lamina.core.model_file import read_file, require_savable
from lamina.errors import ArgumentError, CheckpointError
from lamina.files import require_writable
from lamina.optimization.optimizer import Optimizer
from lamina.train.callback import Callback, Training, require_figure, sound_figure
from lamina.train.csv_log import CSVLog
from lamina.train.epoch_log import LogTo
from lamina.train.for_part import ForPart
from lamina.train.json_lines_log import JSONLinesLog
from lamina.train.tensorboard import TensorBoard

__all__ = [
    "CSVLog",
    "Callback",
    "EarlyStopping",
    "ForPart",
    "JSONLinesLog",
    "LearningRateSchedule",
    "LogTo",
    "SaveBest",
    "TensorBoard",
    "require_figure",
]


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
        """Tell whether an epoch is the best so far, and note it if so; one of a broken model never is."""
        value = sound_figure(trainer, self.monitor, values)
        gain = value - self.best_value if trainer.figures[self.monitor] else self.best_value - value
        if math.isnan(value) or not (math.isnan(self.best_value) or gain > self.min_delta):
            return False
        self.best_epoch, self.best_value = epoch, value
        return True


class EarlyStopping(_Watching):
    """Stop once a figure has not improved for some epochs, and go back to the weights that gave the best.

    NaN and infinity improve on nothing, nor does any figure of a model with a weight that is one of them.
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
        Whether the best epoch's weights are put back, also where training ends for another reason, such as an
        error or Ctrl-C.

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
    """Write the model to a file whenever a figure is better than ever.

    NaN, infinity and a broken model are never better, as for `EarlyStopping`.

    Parameters
    ----------
    path : str or Path
        See `Layer.save`. Its folder is made where there is none.
    monitor : str
        As for `EarlyStopping`.
    resume : bool
        Whether a model that is at the path when training begins counts, of an earlier `fit` or an earlier run of
        the program: it stays until an epoch betters its figure. It counts where it is comparable: of the same
        architecture, trained with the same loss, and with that figure noted. Otherwise, and with False, it is
        replaced after the first epoch.

    Attributes
    ----------
    best_epoch : int
        Of the latest `fit`; 0 where none was better than what was there before it.
    best_value : float

    Raises
    ------
    OutputError, CheckpointError
        Before training, if the file cannot be written or the model cannot be saved.
    ArgumentError, UnknownNameError
        Before training, as for `EarlyStopping`.
    """

    on_every_rank = False

    def __init__(self, path: str | Path, monitor: str = "val_loss", resume: bool = True) -> None:
        super().__init__(monitor)
        self.path = Path(path)
        self.resume = flag(self, "resume", resume)

    def check(self, trainer: Training) -> None:
        """Raise where saving would fail."""
        super().check(trainer)
        require_savable(trainer.model)
        require_writable(self.path)

    def on_train_begin(self, trainer: Training) -> None:
        """Begin with what the file holds."""
        super().on_train_begin(trainer)
        if self.resume:
            self.best_value = self._saved_figure(trainer)

    def on_epoch_end(self, trainer: Training, epoch: int, values: dict[str, float]) -> None:
        """Save the model where it is the best so far."""
        if self.improves(trainer, epoch, values):
            trainer.model.save(self.path)

    def on_train_end(self, trainer: Training) -> None:
        """Say so where what was there before is still the best."""
        if not self.best_epoch and not math.isnan(self.best_value):
            trainer.note(f"{self.path}: kept from before, its {self.monitor} of {self.best_value:.4g} was not bettered")

    def _saved_figure(self, trainer: Training) -> float:
        """Return the figure of the model in the file; NaN where there is none to compare with."""
        try:
            _, metadata = read_file(self.path)
            facts = json.loads(metadata["facts"])["training"]
            same_model = json.loads(metadata["architecture"]) == json.loads(json.dumps(describe(trainer.model)))
            same_loss = facts["loss"] == trainer.model.facts["training"]["loss"]
            value = float(facts["history"][self.monitor])
        except (CheckpointError, KeyError, TypeError, ValueError):
            return math.nan
        return value if same_model and same_loss and math.isfinite(value) else math.nan


class LearningRateSchedule(Callback):
    """Set the learning rate before each epoch.

    Beside `ReduceOnPlateau` the rate is the product: what the function returns, by the factors of all reductions.

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

    sets_rate: ClassVar[bool] = True

    def __init__(self, function: Callable[..., float]) -> None:
        if not callable(function):
            raise ArgumentError(f"LearningRateSchedule: expected a function of the epoch, got {function!r}")
        self.function = function
        self._takes_rate = _takes_two(function)
        self._optimizer: Optimizer | None = None

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: the rate is in the optimizer's own."""
        return {}

    def on_train_begin(self, trainer: Training) -> None:
        """With another optimizer than before, take its rate as it is, whatever reduced it."""
        if trainer.optimizer is not self._optimizer:
            self._optimizer = trainer.optimizer
            self._optimizer.lr_factor = 1.0

    def on_epoch_begin(self, trainer: Training, epoch: int) -> None:
        """Set the rate."""
        optimizer = trainer.optimizer
        factor = optimizer.lr_factor
        rate = self.function(epoch, optimizer.lr / factor) if self._takes_rate else self.function(epoch)
        optimizer.lr = number(self, "rate", rate, above=0) * factor


def _takes_two(function: Callable[..., Any]) -> bool:
    """Tell whether a function must be given a second argument."""
    try:
        arguments = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # built in, without a signature
        return False
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [one for one in arguments if one.kind in positional and one.default is one.empty]
    return len(needed) > 1
