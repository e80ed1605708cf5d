"""The learning-rate schedule: the rate as a function of how far training has come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from lamina.backends import Array
from lamina.core.arguments import number, one_of, whole
from lamina.core.config import Configured
from lamina.core.registry import Registry
from lamina.errors import ArgumentError, CheckpointError
from lamina.optimization.optimizer import Optimizer
from lamina.train.callback import Callback

__all__ = ["Schedule"]


class Schedule(Callback, Configured):
    """The base class of learning-rate schedules.

    One of your own defines `rate`. There are three ways to use one::

        Trainer(model, loss, optimizer, callbacks=CosineDecay(50))

        schedule.attach(optimizer)                  in a loop of your own; and after each step, or epoch:
        schedule.advance()

        optimizer.lr = schedule.rate(step, 0.1)     by hand

    The rate is an attribute of the optimizer, so setting it loses nothing that the optimizer keeps. Beside
    `ReduceOnPlateau` the rate is the product: what the schedule says, by all the factors since it was attached.

    Parameters
    ----------
    per : str
        What is counted: ``"epoch"`` or ``"step"``.

    Attributes
    ----------
    count : int
        How many epochs, or steps, were taken. A second `fit` goes on from there.
    first_rate : float or None
        The optimizer's rate when this was attached to it; None before.

    Raises
    ------
    ArgumentError
        If ``per`` is another word.
    """

    registry: ClassVar[Registry[Any]] = Registry("schedule")
    sets_rate: ClassVar[bool] = True

    def __init__(self, per: str = "epoch") -> None:
        self.per = one_of(self, "per", per, ("epoch", "step"))
        self.count = 0
        self.first_rate: float | None = None
        self._optimizer: Optimizer | None = None

    def rate(self, count: int, lr: float) -> float:
        """Return the rate after ``count`` epochs, or steps, of training that began with the rate ``lr``."""
        raise NotImplementedError(f"{type(self).__name__} does not define rate")

    def attach(self, optimizer: Optimizer) -> None:
        """Set an optimizer's rate, now and with each `advance`; with another optimizer than before, from the start."""
        if self._optimizer is not None and self._optimizer is not optimizer:
            self.count, self.first_rate = 0, None
        self._optimizer = optimizer
        if self.first_rate is None:
            self.first_rate, optimizer.lr_factor = float(optimizer.lr), 1.0
        optimizer.lr = self.rate(self.count, self.first_rate) * optimizer.lr_factor

    def advance(self) -> None:
        """Count an epoch, or a step, and set the rate of the next one.

        Raises
        ------
        ArgumentError
            If no optimizer is attached.
        """
        if self._optimizer is None or self.first_rate is None:
            raise ArgumentError(f"{type(self).__name__}: attach an optimizer before the first advance")
        self.count += 1
        self._optimizer.lr = self.rate(self.count, self.first_rate) * self._optimizer.lr_factor

    def state_dict(self) -> dict[str, Any]:
        """Return where the schedule is: its count and the rate it began with."""
        return {"count": self.count, "first_rate": self.first_rate}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` returned, with whichever optimizer is attached next.

        Raises
        ------
        CheckpointError
            If it is no such state.
        """
        if set(state) != {"count", "first_rate"}:
            raise CheckpointError(
                f"state does not fit {type(self).__name__}: expected count and first_rate, got {sorted(state)}"
            )
        rate, count = state["first_rate"], whole(self, "count", state["count"], least=0)
        if rate is not None:
            number(self, "first_rate", rate, least=0)
            self._try(count, float(rate))
        self.count, self.first_rate = count, None if rate is None else float(rate)
        self._optimizer = None

    def _try(self, count: int, first_rate: float) -> None:
        """Raise where there is no rate after so many epochs, or steps."""
        try:
            self.rate(count + 1, first_rate)
        except ArithmeticError as error:
            raise CheckpointError(f"state does not fit {type(self).__name__}: count {count:.3g}: {error}") from error

    def on_train_begin(self, trainer: Any) -> None:
        """Set the first rate, or that of the epoch or step to go on with."""
        self.attach(trainer.optimizer)

    def on_step_end(self, trainer: Any, epoch: int, step: int, loss: Array) -> None:
        """Set the rate of the next step."""
        if self.per == "step":
            self._advance_for(trainer.optimizer)

    def on_epoch_end(self, trainer: Any, epoch: int, values: dict[str, float]) -> None:
        """Set the rate of the next epoch."""
        if self.per == "epoch":
            self._advance_for(trainer.optimizer)

    def _advance_for(self, optimizer: Optimizer) -> None:
        """Advance, also where a state was loaded since training began: then the rate is the optimizer's already."""
        self._optimizer = optimizer if self._optimizer is None else self._optimizer
        self.advance()
