"""The schedule that is one after another."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.core.arguments import instance
from lamina.core.registry import register
from lamina.errors import ArgumentError
from lamina.optimizers.schedules.decays import read_milestones
from lamina.optimizers.schedules.product import require_one_per
from lamina.optimizers.schedules.schedule import Schedule

__all__ = ["SequentialSchedule"]


@register
class SequentialSchedule(Schedule):
    """One schedule after another, each from its own beginning: at each milestone the next one takes over.

        rate_k(n - milestone_k, lr)                     milestone_k, 0 for the first, being the last that is at most n

    Each begins with lr, whatever the one before it has come to. This is PyTorch's ``SequentialLR``. For schedules at
    once see `ProductSchedule`.

    Parameters
    ----------
    *schedules : Schedule
        Two or more, which count the same: epochs or steps.
    milestones : sequence of int
        Rising counts of epochs, or steps: one less than schedules.

    Raises
    ------
    ArgumentError
        If there are too few, or their number does not fit, or they do not count the same.

    Examples
    --------
    >>> from lamina.optimizers import CosineDecay, ExponentialDecay, LinearWarmup
    >>> schedule = SequentialSchedule(
    ...     LinearWarmup(4, start=0.5), CosineDecay(6), ExponentialDecay(0.5), milestones=[4, 10]
    ... )
    >>> [round(schedule.rate(n, 0.8), 4) for n in (0, 4, 7, 10, 11)]
    [0.4, 0.8, 0.4, 0.8, 0.4]
    """

    def __init__(self, *schedules: Schedule, milestones: Sequence[int]) -> None:
        if len(schedules) < 2:
            raise ArgumentError(f"SequentialSchedule: expected two schedules or more, got {len(schedules)}")
        self.schedules = [instance(self, "each schedule", one, Schedule) for one in schedules]
        self.milestones = read_milestones(self, milestones)
        if len(self.milestones) != len(schedules) - 1:
            expected = f"{len(schedules) - 1} for {len(schedules)} schedules"
            raise ArgumentError(f"SequentialSchedule: expected milestones to be {expected}, got {milestones!r}")
        require_one_per(self, self.schedules)
        super().__init__(self.schedules[0].per)

    def rate(self, count: int, lr: float) -> float:
        """Return the rate after ``count`` epochs, or steps."""
        place = sum(milestone <= count for milestone in self.milestones)
        return self.schedules[place].rate(count - (0, *self.milestones)[place], lr)
