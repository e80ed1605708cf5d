"""The schedule that falls along a power of the time that is left."""

from __future__ import annotations

import math

from lamina.core.arguments import flag, number, whole
from lamina.core.registry import register
from lamina.optimizers.schedules.schedule import Schedule

__all__ = ["PolynomialDecay"]


@register
class PolynomialDecay(Schedule):
    """Fall along a power: floor + (lr - floor) (1 - n / duration)^power, and then stay at the floor.

    With a cycle the duration is doubled, tripled and so on as soon as n is above it, so that the rate rises again each
    time, to less than before.

    Parameters
    ----------
    duration : int
    power : float
        Above 0; 1 is `LinearDecay`, more falls fast at first.
    floor : float
        The last rate, 0 or more.
    per : str
        See `Schedule`.
    cycle : bool
        Whether to go on falling from higher again, in place of staying at the floor.

    Examples
    --------
    >>> schedule = PolynomialDecay(4, power=2.0)
    >>> [schedule.rate(n, 0.8) for n in (0, 2, 4)]
    [0.8, 0.2, 0.0]
    """

    def __init__(
        self, duration: int, power: float = 1.0, floor: float = 0.0, per: str = "epoch", cycle: bool = False
    ) -> None:
        super().__init__(per)
        self.duration = whole("PolynomialDecay", "duration", duration)
        self.power = number("PolynomialDecay", "power", power, above=0)
        self.floor = number("PolynomialDecay", "floor", floor, least=0)
        self.cycle = flag(self, "cycle", cycle)

    def rate(self, count: int, lr: float) -> float:
        """Return the rate after ``count`` epochs, or steps."""
        duration = self.duration * max(math.ceil(count / self.duration), 1) if self.cycle else self.duration
        left = 1 - min(count / duration, 1.0)
        return float(self.floor + (lr - self.floor) * left**self.power)
