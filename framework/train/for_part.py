"""A callback for one part of a model that several optimizers train."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamina.backends import Array
from lamina.core.arguments import instance
from lamina.errors import ArgumentError, unknown
from lamina.optimization.joint import JointOptimizer
from lamina.optimization.optimizer import Optimizer
from lamina.train.callback import Callback, Training

__all__ = ["ForPart"]


class ForPart(Callback):
    """Lets a callback, such as a schedule, see the optimizer of one part alone.

    Parameters
    ----------
    part : str
        As the trainer's ``optimizer`` names it: the pattern, or for a tuple ``"0"``, ``"1"`` and so on.
    callback : Callback

    Raises
    ------
    ArgumentError, UnknownNameError
        Before training, if there is one optimizer for all, or none for that part.

    Examples
    --------
    >>> import lamina
    >>> from lamina.callbacks import ForPart
    >>> from lamina.optimizers.schedules import CosineDecay
    >>> model = lamina.Sequential(lamina.layers.GRU(8), lamina.layers.Dense(2))
    >>> trainer = lamina.Trainer(model, optimizer={"*": "sgd", "1.*": "adam"}, callbacks=ForPart("1.*", CosineDecay(4)))
    >>> import numpy as np
    >>> history = trainer.fit(np.zeros((8, 5, 3)), np.zeros(8, int), epochs=2, verbose=False)
    >>> history["learning_rate_*"], [round(rate, 6) for rate in history["learning_rate_1.*"]]
    ([0.01, 0.01], [0.001, 0.000854])
    """

    def __init__(self, part: str, callback: Callback) -> None:
        self.part = part
        self.callback = instance(self, "callback", callback, Callback)
        self.on_every_rank = callback.on_every_rank

    @property
    def sets_rate(self) -> bool:  # type: ignore[override]
        """Whether the callback sets the rate of its part."""
        return self.callback.sets_rate

    def check(self, trainer: Training) -> None:
        """Raise where there is no such part, or the callback could not do its work."""
        self.callback.check(self._seen(trainer))

    def on_train_begin(self, trainer: Training) -> None:
        """Begin training."""
        self.callback.on_train_begin(self._seen(trainer))

    def on_epoch_begin(self, trainer: Training, epoch: int) -> None:
        """Begin an epoch."""
        self.callback.on_epoch_begin(self._seen(trainer), epoch)

    def on_step_end(self, trainer: Training, epoch: int, step: int, loss: Array) -> None:
        """End a step."""
        self.callback.on_step_end(self._seen(trainer), epoch, step, loss)

    def on_epoch_end(self, trainer: Training, epoch: int, values: dict[str, float]) -> None:
        """End an epoch."""
        self.callback.on_epoch_end(self._seen(trainer), epoch, values)

    def on_train_end(self, trainer: Training) -> None:
        """End training."""
        self.callback.on_train_end(self._seen(trainer))

    def state_dict(self) -> dict[str, Any]:
        """Return the callback's."""
        return self.callback.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Load the callback's."""
        self.callback.load_state_dict(state)

    def _seen(self, trainer: Training) -> Any:
        whole = trainer.optimizer
        if not isinstance(whole, JointOptimizer):
            raise ArgumentError(f"ForPart: expected a trainer with an optimizer for each part, got {whole.label}")
        if self.part not in whole.members:
            raise unknown("part of the optimizer", self.part, whole.members)
        return _View(trainer, whole.members[self.part])

    def __repr__(self) -> str:
        return f"ForPart({self.part!r}, {self.callback!r})"


class _View:
    """A trainer with the optimizer of one part."""

    def __init__(self, trainer: Training, optimizer: Optimizer) -> None:
        self._trainer = trainer
        self.optimizer = optimizer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._trainer, name)
