"""The schedule that falls with one over the time."""

from __future__ import annotations

from lamina.core.arguments import flag, number, whole
from lamina.core.registry import register
from lamina.optimizers.schedules.schedule import Schedule

__all__ = ["InverseTimeDecay"]


@register
class InverseTimeDecay(Schedule):
    """Fall with one over the time: lr / (1 + factor n / every), for n / every its whole part with staircase.

    The sum of such rates has no bound and that of their squares has one, as Robbins and Monro (1951) ask for. It is
    Keras's schedule of this name.

    Parameters
    ----------
    every : int
        Over how many epochs, or steps, factor is taken once: with 1 the rate is halved by then.
    factor : float
        Above 0.
    staircase : bool
        Whether the rate falls once in each of them, all at once.
    per : str
        See `Schedule`.

    Examples
    --------
    >>> schedule = InverseTimeDecay(10)
    >>> [schedule.rate(n, 0.8) for n in (0, 10, 30)]
    [0.8, 0.4, 0.2]
    """

    def __init__(self, every: int, factor: float = 1.0, staircase: bool = False, per: str = "epoch") -> None:
        super().__init__(per)
        self.every = whole("InverseTimeDecay", "every", every)
        self.factor = number("InverseTimeDecay", "factor", factor, above=0)
        self.staircase = flag(self, "staircase", staircase)

    def rate(self, count: int, lr: float) -> float:
        """Return the rate after ``count`` epochs, or steps."""
        taken = count // self.every if self.staircase else count / self.every
        return lr / (1 + self.factor * taken)
