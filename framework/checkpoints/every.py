"""How often a checkpoint is written: by steps, epochs or time."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from lamina.errors import ArgumentError

__all__ = ["EVERY", "Every"]

#: After each epoch.
EVERY = "1 epoch"

_SECONDS = {"second": 1.0, "minute": 60.0, "hour": 3600.0}
_UNITS = ("step", "epoch", *_SECONDS)
_TEXT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+?)s?\s*", re.ASCII)
_EXPECTED = 'every: expected a number of steps, or a text such as "2 epochs", "10 minutes" or "1 hour"'


class Every:
    """How often a checkpoint is written.

    Parameters
    ----------
    value : int or str
        A number of steps, or a number and its unit: steps, epochs, seconds, minutes or hours.

    Attributes
    ----------
    unit : str
        ``"step"``, ``"epoch"`` or ``"second"``.
    amount : float

    Raises
    ------
    ArgumentError
        If it is neither, or not above 0; steps and epochs are whole.

    Examples
    --------
    >>> Every("10 minutes")
    Every('600 seconds')
    >>> Every(7).is_due(steps=14), Every(7).is_due(steps=15), Every("2 epochs").is_due(epochs=4)
    (True, False, True)
    """

    def __init__(self, value: int | str) -> None:
        self.amount, self.unit = _read(value)

    def is_due(self, steps: int = 0, epochs: int = 0, seconds: float = 0.0) -> bool:
        """Tell whether a checkpoint is due.

        Parameters
        ----------
        steps : int
            How many the run has taken, where one has just ended.
        epochs : int
            How many it has completed, where one has just ended.
        seconds : float
            Since the last checkpoint.
        """
        if self.unit == "second":
            return seconds >= self.amount
        count = steps if self.unit == "step" else epochs
        return count > 0 and count % self.amount == 0

    def __repr__(self) -> str:
        return f"Every('{self.amount:g} {self.unit}{'' if self.amount == 1 else 's'}')"


def _read(value: Any) -> tuple[float, str]:
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value > 0:
        return int(value), "step"
    found = _TEXT.fullmatch(value) if isinstance(value, str) else None
    unit = found.group(2) if found else ""
    if found is None or unit not in _UNITS:
        raise ArgumentError(f"{_EXPECTED}, got {value!r}")
    amount = float(found.group(1)) * _SECONDS.get(unit, 1.0)
    if not 0 < amount < math.inf or (unit not in _SECONDS and amount % 1):
        raise ArgumentError(f"{_EXPECTED}, above 0 and of steps and epochs a whole one, got {value!r}")
    return (amount, "second") if unit in _SECONDS else (int(amount), unit)
