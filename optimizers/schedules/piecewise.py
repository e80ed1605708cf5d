"""The schedule that is constant between milestones."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.core.arguments import number
from lamina.core.registry import register
from lamina.errors import ArgumentError
from lamina.optimizers.schedules.decays import read_milestones
from lamina.optimizers.schedules.schedule import Schedule

__all__ = ["PiecewiseConstant"]


@register
class PiecewiseConstant(Schedule):
    """Multiply the rate by a factor of each stretch between milestones: lr factors[k], k milestones being at most n.

    `MultiStepDecay` is the one whose factors are powers. Keras's ``PiecewiseConstantDecay`` takes rates in place of
    factors, and changes them one step after a milestone.

    Parameters
    ----------
    milestones : sequence of int
        Rising counts of epochs, or steps.
    factors : sequence of float
        Above 0: one for each stretch, and so one more than milestones.
    per : str
        See `Schedule`.

    Raises
    ------
    ArgumentError
        If the milestones do not rise, or the factors are not one more.

    Examples
    --------
    >>> schedule = PiecewiseConstant([2, 5], [0.5, 1.0, 0.25])
    >>> [schedule.rate(n, 0.8) for n in (0, 1, 2, 4, 5)]
    [0.4, 0.4, 0.8, 0.8, 0.2]
    """

    def __init__(self, milestones: Sequence[int], factors: Sequence[float], per: str = "epoch") -> None:
        super().__init__(per)
        self.milestones = read_milestones(self, milestones)
        if not isinstance(factors, Sequence) or len(factors) != len(self.milestones) + 1:
            expected = f"{len(self.milestones) + 1} numbers, one for each stretch"
            raise ArgumentError(f"PiecewiseConstant: expected factors to be {expected}, got {factors!r}")
        self.factors = tuple(number("PiecewiseConstant", "each of factors", one, above=0) for one in factors)

    def rate(self, count: int, lr: float) -> float:
        """Return the rate after ``count`` epochs, or steps."""
        return lr * self.factors[sum(milestone <= count for milestone in self.milestones)]
