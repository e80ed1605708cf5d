"""Schedules of the learning rate over a number of epochs, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lamina.errors import unknown

if TYPE_CHECKING:
    from lamina.train.callback import Callback

__all__ = ["SCHEDULE", "SCHEDULES", "find_schedule"]

SCHEDULE = "linear_decay"

#: What each makes of the module of schedules and the number of epochs, over which it ends.
SCHEDULES: dict[str, Callable[[Any, int], Callback | None]] = {
    "linear_decay": lambda schedules, epochs: schedules.LinearDecay(epochs),
    "cosine_decay": lambda schedules, epochs: schedules.CosineDecay(epochs),
    "exponential_decay": lambda schedules, epochs: schedules.ExponentialDecay(0.01 ** (1 / epochs)),
    "step_decay": lambda schedules, epochs: schedules.StepDecay(max(1, epochs // 3)),
    "one_cycle": lambda schedules, epochs: schedules.OneCycle(epochs),
    "reduce_on_plateau": lambda schedules, epochs: schedules.ReduceOnPlateau("loss"),
    "constant": lambda schedules, epochs: None,
}


def find_schedule(name: str, epochs: int) -> Callback | None:
    """Return the schedule of that name for so many epochs; None where the rate stays as it is.

    Raises
    ------
    UnknownNameError
    """
    # As with optimizers, CosineDecay and cosine-decay are the same name.
    wanted = name.replace("-", "").replace("_", "").lower()
    make = next((make for known, make in SCHEDULES.items() if known.replace("_", "") == wanted), None)
    if make is None:
        raise unknown("schedule", name, SCHEDULES)
    from lamina.optimizers import schedules  # here, as `lamina --help` needs none

    return make(schedules, epochs)
