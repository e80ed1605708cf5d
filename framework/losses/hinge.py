"""The hinge loss of yes or no."""

from __future__ import annotations

from typing import Any

from lamina.backends import Array
from lamina.core.arguments import flag
from lamina.core.lowering import Lowering, Value
from lamina.core.registry import register
from lamina.losses.elementwise import ElementwiseLoss

__all__ = ["Hinge"]


@register(aliases=("hinge_loss",))
class Hinge(ElementwiseLoss):
    """What a score lacks to a margin of 1 on its target's side: the loss of a support vector machine.

        loss = sum_n m_n mean_c max(1 - y_nc prediction_nc, 0) / sum_n m_n

    for scores of any size, each output a yes or no of its own, y = 1 or -1; m_n is 0 past a row's end, the mask's
    value where there is one, and 1 elsewhere. Where a score is on the margin, the gradient is taken as 0.

    Targets are 1 for yes, and 0 or -1, or True and False.

    Parameters
    ----------
    squared : bool
        Whether the maximum is squared, so that the gradient has no jump.
    reduction : {"mean", "sum", "none"}
        See `Loss`.

    Raises
    ------
    ArgumentError
        If ``squared`` is neither True nor False.

    Examples
    --------
    >>> import numpy as np
    >>> Hinge()(np.array([[2.0], [-0.5], [0.5]]), [[1], [0], [0]])  # (0 + 1/2 + 3/2) / 3
    0.6666666666666666
    """

    expected_targets = ("1, and 0 or -1", lambda t: (t == 1) | (t == 0) | (t == -1))

    def __init__(self, squared: bool = False, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.squared = flag(self, "squared", squared)

    def value(self, xp: Any, prediction: Array, target: Array) -> Array:
        """Return what is lacking, or its square."""
        lacking, _ = self._lacking(xp, prediction, target)
        return lacking * lacking if self.squared else lacking

    def derivative(self, xp: Any, prediction: Array, target: Array) -> Array:
        """Return -y where something is lacking, times twice what it is where it is squared."""
        lacking, side = self._lacking(xp, prediction, target)
        return -2 * side * lacking if self.squared else xp.where(lacking > 0, -side, xp.zeros_like(side))

    def _lacking(self, xp: Any, prediction: Array, target: Array) -> tuple[Array, Array]:
        """Return what each score lacks, and the side it should be on."""
        side = xp.where(target > 0, xp.ones_like(target), -xp.ones_like(target))
        lacking = 1 - side * prediction
        return xp.maximum(lacking, xp.zeros_like(lacking)), side

    def lower(self, lowering: Lowering, prediction: Value, target: Value, *weights: Value) -> None:
        """Add the kernel to a program."""
        self.lower_with(lowering, prediction, target, weights, kernel="hinge", numbers=(self.squared,))
