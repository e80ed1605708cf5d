"""Schedules that follow a formula: of n, the epochs or steps taken, and lr, the rate at first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lamina.core.arguments import flag, instance, name_of, number, one_of, whole
from lamina.core.registry import register
from lamina.errors import ArgumentError
from lamina.optimizers.schedules.schedule import Schedule

__all__ = [
    "CosineDecay",
    "ExponentialDecay",
    "LinearDecay",
    "LinearWarmup",
    "MultiStepDecay",
    "OneCycle",
    "StepDecay",
    "find",
    "read_milestones",
]


def find(name: str) -> type[Any]:
    """Return the schedule of that name.

    Raises
    ------
    UnknownNameError
        If there is none; the message gives the nearest match.

    Examples
    --------
    >>> find("cosine_decay")(50)
    CosineDecay(50)
    """
    return Schedule.registry.find(name)


def read_milestones(owner: object, milestones: Any) -> tuple[int, ...]:
    """Return counts that must rise, one or more, or raise `ArgumentError`."""
    if not isinstance(milestones, Sequence) or list(milestones) != sorted(set(milestones)) or not milestones:
        raise ArgumentError(f"{name_of(owner)}: expected milestones to be rising counts, got {milestones!r}")
    return tuple(whole(owner, "each milestone", one) for one in milestones)


@register
class StepDecay(Schedule):
    """Multiply the rate by a factor again and again: lr factor^floor(n / every).

    Parameters
    ----------
    every : int
    factor : float
        Above 0.
    per : str
        See `Schedule`.
    """

    def __init__(self, every: int, factor: float = 0.1, per: str = "epoch") -> None:
        super().__init__(per)
        self.every = whole("StepDecay", "every", every)
        self.factor = number("StepDecay", "factor", factor, above=0)

    def rate(self, count: int, lr: float) -> float:
        """Return the rate after ``count`` epochs, or steps."""
        return float(lr * self.factor ** (count // self.every))


@register
class MultiStepDecay(Schedule):
    """Multiply the rate by a factor at each milestone: lr factor^(how many milestones are at most n).

    Parameters
    ----------
    milestones : sequence of int
        Rising counts of epochs, or steps.
    factor : float
        Above 0.
    per : str
        See `Schedule`.
    """

    def __init__(self, milestones: Sequence[int], factor: float = 0.1, per: str = "epoch") -> None:
        super().__init__(per)
        self.milestones = read_milestones(self, milestones)
        self.factor = number("MultiStepDecay", "factor", factor, above=0)

    def rate(self, count: int, lr: float) -> float:
        """Return the rate after ``count`` epochs, or steps."""
        return float(lr * self.factor ** sum(milestone <= count for milestone in self.milestones))


@register
class ExponentialDecay(Schedule):
    """Multiply the rate by a factor each time: lr factor^n.

    Parameters
    ----------
    factor : float
        Above 0.
    per : str
        See `Schedule`.
    """

    def __init__(self, factor: float, per: str = "epoch") -> None:
        super().__init__(per)
        self.factor = number("ExponentialDecay", "factor", factor, above=0)

    def rate(self, count: int, lr: float) -> float:
        """Return the rate after ``count`` epochs, or steps."""
        return float(lr * self.factor**count)


@register
class LinearDecay(Schedule):
    """Fall along a line: floor + (lr - floor) (1 - n / duration), and then stay at the floor.

    Parameters
    ----------
    duration : int
    floor : float
        The last rate, 0 or more.
    per : str
        See `Schedule`.
    """

    def __init__(self, duration: int, floor: float = 0.0, per: str = "epoch") -> None:
        super().__init__(per)
        self.duration = whole("LinearDecay", "duration", duration)
        self.floor = number("LinearDecay", "floor", floor, least=0)

    def rate(self, count: int, lr: float) -> float:
        """Return the rate after ``count`` epochs, or steps."""
        return self.floor + (lr - self.floor) * (1 - min(count / self.duration, 1.0))


@register
class CosineDecay(Schedule):
    """Fall along half a cosine: floor + (lr - floor) (1 + cos(pi n / duration)) / 2, and then stay at the floor.

    With restarts n begins again at 0 after each cycle (Loshchilov and Hutter, 2017), from floor + (lr - floor) factor^k
    after k of them.

    Parameters
    ----------
    duration : int
        With restarts, of the first cycle.
    floor : float
        The lowest rate, 0 or more.
    restarts : bool
        Whether to start again from the first rate.
    growth : int
        How many times as long as the one before it each cycle is.
    per : str
        See `Schedule`.
    factor : float
        How many times as high above the floor as the one before it each cycle begins; above 0, at most 1.
    """

    def __init__(
        self,
        duration: int,
        floor: float = 0.0,
        restarts: bool = False,
        growth: int = 1,
        per: str = "epoch",
        factor: float = 1.0,
    ) -> None:
        super().__init__(per)
        self.duration = whole("CosineDecay", "duration", duration)
        self.floor = number("CosineDecay", "floor", floor, least=0)
        self.restarts = flag(self, "restarts", restarts)
        self.growth = whole("CosineDecay", "growth", growth)
        self.factor = number("CosineDecay", "factor", factor, above=0, most=1)
        for name, is_set in (("growth", self.growth > 1), ("factor", self.factor != 1)):
            if is_set and not restarts:
                raise ArgumentError(f"CosineDecay: {name} needs restarts=True")

    def rate(self, count: int, lr: float) -> float:
        """Return the rate after ``count`` epochs, or steps."""
        length, cycles = self.duration, 0
        if self.restarts and self.growth == 1:
            cycles, count = divmod(count, length)
        while self.restarts and count >= length:
            count, length, cycles = count - length, length * self.growth, cycles + 1
        top = lr if self.factor == 1 else self.floor + (lr - self.floor) * self.factor**cycles
        return _cosine(top, self.floor, min(count / length, 1.0))


@register
class LinearWarmup(Schedule):
    """Rise along a line: lr (start + (1 - start) n / duration); then hand over to another schedule.

    Parameters
    ----------
    duration : int
    then : Schedule, optional
        Which begins at its own 0 once the rate is lr; it stays there if not given.
    start : float
        From 0 to 1: the share of lr to begin with. With 0 the first step moves nothing.
    per : str
        See `Schedule`; the same as that of ``then``.

    Examples
    --------
    >>> schedule = LinearWarmup(5, CosineDecay(45))
    >>> [round(schedule.rate(n, 0.1), 4) for n in (0, 5, 50)]
    [0.001, 0.1, 0.0]
    """

    def __init__(self, duration: int, then: Schedule | None = None, start: float = 0.01, per: str = "epoch") -> None:
        super().__init__(per)
        self.duration = whole("LinearWarmup", "duration", duration)
        self.then = None if then is None else instance("LinearWarmup", "then", then, Schedule)
        self.start = number("LinearWarmup", "start", start, least=0, most=1)
        if self.then is not None and self.then.per != per:
            raise ArgumentError(f"LinearWarmup: it counts by {per}, but {then!r} by {self.then.per}: give both one per")

    def rate(self, count: int, lr: float) -> float:
        """Return the rate after ``count`` epochs, or steps."""
        if count < self.duration:
            return lr * (self.start + (1 - self.start) * count / self.duration)
        return lr if self.then is None else self.then.rate(count - self.duration, lr)


@register
class OneCycle(Schedule):
    """Rise from lr / first_divisor to lr, and fall to lr / last_divisor, along half a cosine each (Smith, 2018).

        rising while n <= peak = warmup * duration - 1, and falling until n = duration - 1

    In three phases it falls to lr / first_divisor first, until n = 2 peak, and then to lr / last_divisor. The momentum
    is left alone.

    Parameters
    ----------
    duration : int
        Of the whole training.
    warmup : float
        Between 0 and 1: the share of it in which the rate rises; below a half in three phases.
    first_divisor, last_divisor : float
        Above 0. PyTorch's ``div_factor``, and its product with ``final_div_factor``.
    per : str
        See `Schedule`.
    annealing : str
        ``"cosine"``, or ``"linear"`` for lines.
    three_phase : bool
    """

    def __init__(
        self,
        duration: int,
        warmup: float = 0.3,
        first_divisor: float = 25.0,
        last_divisor: float = 250_000.0,
        per: str = "epoch",
        annealing: str = "cosine",
        three_phase: bool = False,
    ) -> None:
        super().__init__(per)
        self.duration = whole("OneCycle", "duration", duration)
        self.warmup = number("OneCycle", "warmup", warmup, above=0, below=1)
        self.first_divisor = number("OneCycle", "first_divisor", first_divisor, above=0)
        self.last_divisor = number("OneCycle", "last_divisor", last_divisor, above=0)
        self.annealing = one_of(self, "annealing", annealing, ("cosine", "linear"))
        self.three_phase = flag(self, "three_phase", three_phase)
        if self.three_phase and self.warmup >= 0.5:
            raise ArgumentError(f"OneCycle: expected warmup to be below 0.5 with three_phase=True, got {warmup!r}")

    def rate(self, count: int, lr: float) -> float:
        """Return the rate after ``count`` epochs, or steps."""
        peak = max(self.warmup * self.duration - 1, 0.0)
        first, last = lr / self.first_divisor, lr / self.last_divisor
        if count < peak:
            return self._between(first, lr, count / peak)
        if self.three_phase and count <= 2 * peak:
            return self._between(lr, first, (count - peak) / max(peak, 1.0))
        start, height = (2 * peak, first) if self.three_phase else (peak, lr)
        return self._between(height, last, min((count - start) / max(self.duration - 1 - start, 1.0), 1.0))

    def _between(self, start: float, end: float, share: float) -> float:
        return _cosine(start, end, share) if self.annealing == "cosine" else end + (start - end) * (1 - share)


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
