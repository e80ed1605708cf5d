"""The schedule that watches a figure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from lamina.core.arguments import number, whole
from lamina.core.config import Configured
from lamina.core.registry import Registry, register
from lamina.errors import CheckpointError
from lamina.optimization.optimizer import Optimizer
from lamina.optimizers.schedules.schedule import Schedule
from lamina.train.callback import Callback, require_figure, sound_figure

__all__ = ["ReduceOnPlateau"]


@register
class ReduceOnPlateau(Callback, Configured):
    """Multiply the rate by a factor once a figure has not improved for some epochs.

    A callback for a `Trainer`; in a loop of your own, call `observe` after each epoch. Beside a schedule, such as
    ``callbacks=[LinearWarmup(5), ReduceOnPlateau()]``, the rate is the product: what the schedule says, by the
    factors of all reductions.

    Parameters
    ----------
    monitor : str
        As for `EarlyStopping`.
    factor : float
        Between 0 and 1.
    patience : int
        How many epochs in a row may bring no improvement, as for `EarlyStopping`; PyTorch's is one less.
    min_delta : float
        A change counts as an improvement only where it is more than this.
    cooldown : int
        How many epochs after a reduction are not counted.
    floor : float
        The lowest rate to which it reduces, 0 or more.

    Attributes
    ----------
    best : float
        The best value so far; NaN before there is one. What is NaN or infinite improves on nothing, nor does a
        broken model's figure: see `lamina.train.callback.sound_figure`.
    waited : int
        How many epochs in a row have brought no improvement.
    resting : int
        How many epochs are still not to be counted.

    Raises
    ------
    ArgumentError, UnknownNameError
        If a setting is out of range; before training, as for `EarlyStopping`.
    """

    registry: ClassVar[Registry[Any]] = Schedule.registry

    best: float
    waited: int
    resting: int

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        min_delta: float = 0.0,
        cooldown: int = 0,
        floor: float = 0.0,
    ) -> None:
        self.monitor = monitor
        self.factor = number("ReduceOnPlateau", "factor", factor, above=0, below=1)
        self.patience = whole("ReduceOnPlateau", "patience", patience)
        self.min_delta = number("ReduceOnPlateau", "min_delta", min_delta, least=0)
        self.cooldown = whole("ReduceOnPlateau", "cooldown", cooldown, least=0)
        self.floor = number("ReduceOnPlateau", "floor", floor, least=0)
        self._optimizer: Optimizer | None = None
        self._reset()

    def observe(self, optimizer: Optimizer, value: float, higher_is_better: bool = False) -> bool:
        """Take note of an epoch's figure; return whether that lowered the optimizer's rate.

        With another optimizer than before it starts anew. NaN and infinity are no improvement.
        """
        if self._optimizer is not None and self._optimizer is not optimizer:
            self._reset()
        self._optimizer = optimizer
        value = float(value)
        gain = value - self.best if higher_is_better else self.best - value
        if math.isfinite(value) and (gain > self.min_delta or math.isnan(self.best)):
            self.best, self.waited = value, 0
        else:
            self.waited += 1
        if self.resting:
            self.resting, self.waited = self.resting - 1, 0
        if self.waited < self.patience:
            return False
        before = optimizer.lr
        optimizer.lr = min(before, max(before * self.factor, self.floor))
        # A schedule goes on from the product; at a rate of 0 there is none to compare with the floor.
        optimizer.lr_factor *= optimizer.lr / before if optimizer.lr > before * self.factor else self.factor
        self.resting, self.waited = self.cooldown, 0
        return bool(optimizer.lr < before)

    def state_dict(self) -> dict[str, Any]:
        """Return the best value and the counts; the rate is in the optimizer's own."""
        return {"best": self.best, "waited": self.waited, "resting": self.resting}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` returned, with whichever optimizer comes next.

        Raises
        ------
        CheckpointError
            If it is no such state.
        """
        if set(state) != {"best", "waited", "resting"}:
            raise CheckpointError(
                f"state does not fit ReduceOnPlateau: expected best, waited and resting, got {sorted(state)}"
            )
        waited, resting = (whole(self, name, state[name], least=0) for name in ("waited", "resting"))
        if not isinstance(state["best"], float):
            raise CheckpointError(f"state does not fit ReduceOnPlateau: expected best, a number, got {state['best']!r}")
        self.best, self.waited, self.resting = state["best"], waited, resting
        self._optimizer = None

    def check(self, trainer: Any) -> None:
        """Raise where there will be no figure of that name."""
        require_figure(self, self.monitor, trainer)

    def on_epoch_end(self, trainer: Any, epoch: int, values: dict[str, float]) -> None:
        """Lower the rate where it is time."""
        value = sound_figure(trainer, self.monitor, values)
        if self.observe(trainer.optimizer, value, trainer.figures[self.monitor]):
            trainer.note(f"learning rate {trainer.optimizer.lr:.3g}: no better {self.monitor} for a while")

    def _reset(self) -> None:
        self.best, self.waited, self.resting = math.nan, 0, 0
