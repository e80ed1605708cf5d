"""The schedule that is the product of others."""

from __future__ import annotations

from lamina.core.arguments import instance, name_of
from lamina.core.registry import register
from lamina.errors import ArgumentError
from lamina.optimizers.schedules.schedule import Schedule

__all__ = ["ProductSchedule", "require_one_per"]


def require_one_per(owner: object, schedules: list[Schedule]) -> None:
    """Raise `ArgumentError` unless all schedules count the same, epochs or steps."""
    first = schedules[0]
    for one in schedules[1:]:
        if one.per != first.per:
            raise ArgumentError(
                f"{name_of(owner)}: {first!r} counts by {first.per}, but {one!r} by {one.per}: give all one per"
            )


@register
class ProductSchedule(Schedule):
    """Several schedules at once: lr times what each of them makes of it, as a share of lr.

    Where each multiplies the rate, this is PyTorch's ``ChainedScheduler``. For one schedule after another see
    `SequentialSchedule`; a `ReduceOnPlateau` stands beside a schedule as a callback of its own.

    Parameters
    ----------
    *schedules : Schedule
        Two or more, which count the same: epochs or steps.

    Examples
    --------
    >>> from lamina.optimizers import LinearWarmup, StepDecay
    >>> schedule = ProductSchedule(LinearWarmup(4, start=0.5), StepDecay(2, 0.5))
    >>> [round(schedule.rate(n, 0.8), 4) for n in (0, 2, 4)]
    [0.4, 0.3, 0.2]
    """

    def __init__(self, *schedules: Schedule) -> None:
        if len(schedules) < 2:
            raise ArgumentError(f"ProductSchedule: expected two schedules or more, got {len(schedules)}")
        self.schedules = [instance("ProductSchedule", "each schedule", one, Schedule) for one in schedules]
        require_one_per(self, self.schedules)
        super().__init__(self.schedules[0].per)

    def rate(self, count: int, lr: float) -> float:
        """Return the rate after ``count`` epochs, or steps."""
        rate = lr
        for one in self.schedules if lr else ():
            rate *= one.rate(count, lr) / lr
        return rate
