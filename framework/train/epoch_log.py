"""What the logs have in common that are written on with each epoch; and one that hands the figures to a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lamina.core.arguments import MOST, is_whole
from lamina.errors import ArgumentError, CheckpointError, shown
from lamina.train.callback import Callback, Training
from lamina.train.history import numbers_of

__all__ = ["EpochLog", "LogTo"]


class EpochLog(Callback):
    """The base class of logs that count epochs on from one `fit` to the next, and through a run that is resumed.

    Subclasses define `write`.
    """

    on_every_rank = False

    def __init__(self) -> None:
        self._epochs = 0

    def write(self, trainer: Training, epoch: int, values: dict[str, float]) -> None:
        """Write the figures of an epoch, numbered from 1 over all runs."""
        raise NotImplementedError(f"{type(self).__name__} does not define write")

    def on_epoch_end(self, trainer: Training, epoch: int, values: dict[str, float]) -> None:
        """Write the epoch's figures."""
        self._epochs += 1
        self.write(trainer, self._epochs, {name: float(value) for name, value in numbers_of(values).items()})

    def state_dict(self) -> dict[str, Any]:
        """Return how many epochs it has seen: ``"epochs"``."""
        return {"epochs": self._epochs}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on after as many epochs as `state_dict` returned; what was written of later ones no longer counts.

        Raises
        ------
        CheckpointError
            If it is no such state.
        """
        epochs = state.get("epochs") if isinstance(state, Mapping) else None
        if not (isinstance(epochs, int) and is_whole(epochs) and 0 <= epochs <= MOST):
            raise CheckpointError(f"state does not fit {type(self).__name__}: expected epochs, got {shown(state, 60)}")
        self._epochs = epochs


class LogTo(EpochLog):
    """Hand the figures of each epoch to a function: whatever tracks experiments is a line away.

    Parameters
    ----------
    function : callable
        ``function(values, epoch)``, where ``values`` is a dict of numbers by name, such as ``"val_loss"``, and epochs
        are counted from 1 over all runs; one that is resumed goes on with the epoch after its checkpoint's.

    Raises
    ------
    ArgumentError
        If it is no function.

    Examples
    --------
    To MLflow and to Weights & Biases, after ``mlflow.start_run()`` and ``wandb.init()``::

        LogTo(lambda values, epoch: mlflow.log_metrics(values, step=epoch))
        LogTo(lambda values, epoch: wandb.log(values, step=epoch))

    >>> import lamina
    >>> import numpy as np
    >>> seen = {}
    >>> model = lamina.Sequential(lamina.layers.SimpleRNN(4), lamina.layers.Dense(2))
    >>> trainer = lamina.Trainer(model, callbacks=LogTo(lambda values, epoch: seen.update({epoch: values})))
    >>> for _ in range(2):
    ...     history = trainer.fit(np.ones((8, 5, 3)), np.zeros(8, int), epochs=2, verbose=False)
    >>> list(seen), list(seen[4]), seen[4]["loss"] == history["loss"][1]
    ([1, 2, 3, 4], ['loss', 'learning_rate', 'seconds'], True)
    """

    def __init__(self, function: Callable[[dict[str, float], int], object]) -> None:
        super().__init__()
        if not callable(function):
            raise ArgumentError(f"LogTo: expected a function of the figures and the epoch, got {shown(function)}")
        self.function = function

    def write(self, trainer: Training, epoch: int, values: dict[str, float]) -> None:
        """Call the function."""
        self.function(values, epoch)
