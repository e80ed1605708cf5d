"""The schedule that rises and falls again and again."""

from __future__ import annotations

from lamina.core.arguments import number, one_of, whole
from lamina.core.registry import register
from lamina.errors import ArgumentError
from lamina.optimizers.schedules.schedule import Schedule

__all__ = ["Cyclic"]


@register
class Cyclic(Schedule):
    """Rise along a line from the floor to lr and fall back, again and again (Smith, 2017).

        floor + (lr - floor) * s * share                share goes from 0 to 1 and back to 0 in every cycle
        s = 1                                           with "triangular"
        s = 1 / 2^k                                     with "triangular2": k cycles are over
        s = factor^n                                    with "exp_range"

    Of PyTorch's ``CyclicLR`` lr is the ``max_lr`` and the floor the ``base_lr``; the momentum is left alone.

    Parameters
    ----------
    rise : int
        How many epochs, or steps, the rate rises.
    fall : int, optional
        How many it falls; as many as it rises if not given.
    floor : float
        The lowest rate, 0 or more.
    mode : str
        ``"triangular"``, ``"triangular2"`` or ``"exp_range"``.
    factor : float
        Above 0; of "exp_range" alone.
    per : str
        See `Schedule`.

    Raises
    ------
    ArgumentError
        If a setting is out of range, or a factor is given for another mode.

    Examples
    --------
    >>> schedule = Cyclic(2, floor=0.2, mode="triangular2")
    >>> [round(schedule.rate(n, 1.0), 4) for n in (0, 1, 2, 3, 4, 6)]
    [0.2, 0.6, 1.0, 0.6, 0.2, 0.6]
    """

    def __init__(
        self,
        rise: int,
        fall: int | None = None,
        floor: float = 0.0,
        mode: str = "triangular",
        factor: float = 1.0,
        per: str = "epoch",
    ) -> None:
        super().__init__(per)
        self.rise = whole("Cyclic", "rise", rise)
        self.fall = None if fall is None else whole("Cyclic", "fall", fall)
        self.floor = number("Cyclic", "floor", floor, least=0)
        self.mode = one_of(self, "mode", mode, ("triangular", "triangular2", "exp_range"))
        self.factor = number("Cyclic", "factor", factor, above=0)
        if self.factor != 1 and mode != "exp_range":
            raise ArgumentError(f"Cyclic: factor needs mode='exp_range', got factor={factor!r} with mode={mode!r}")

    def rate(self, count: int, lr: float) -> float:
        """Return the rate after ``count`` epochs, or steps."""
        fall = self.rise if self.fall is None else self.fall
        cycles, place = divmod(count, self.rise + fall)
        share = place / self.rise if place <= self.rise else (self.rise + fall - place) / fall
        scale = {"triangular": 1.0, "triangular2": 0.5 ** min(cycles, 1074)}.get(self.mode)
        if scale is None:
            scale = self.factor**count
        return float(self.floor + (lr - self.floor) * share * scale)
