"""A callback that ends a run after so many steps, as a kill would: to see that it goes on."""

from __future__ import annotations

from typing import Any

from lamina.backends import Array
from lamina.train.callback import Callback, Training

__all__ = ["EndAfter", "Ended"]


class Ended(BaseException):
    """What ends a run: no error that anything handles."""


class EndAfter(Callback):
    """Ends a run after so many steps of this process.

    What a run is known by does not tell when it is to end, and so the number is no argument.

    Attributes
    ----------
    left : int
        How many; 0, or less, for none.
    """

    def __init__(self) -> None:
        self.left = 0

    def on_step_end(self, trainer: Training, epoch: int, step: int, loss: Array) -> None:
        """Raise `Ended` where it is time."""
        self.left -= 1
        if not self.left:
            raise Ended

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: another process has a number of its own."""
        return {}
