"""The hinge loss of several classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina.core.arguments import flag, number
from lamina.core.lowering import Lowering, Value
from lamina.core.registry import register
from lamina.losses.labels import LabelLoss

__all__ = ["CategoricalHinge"]


@register(aliases=("multiclass_hinge",))
class CategoricalHinge(LabelLoss):
    """What a label's score lacks to a margin above the other classes' scores.

    For scores z of any size, labels y and class weights w,

        loss = sum_n m_n w_y max_(c != y) max(margin - z_ny + z_nc, 0) / sum_n m_n

    where m_n is 0 for an ignored label or a step past its row's end, the mask's value where there is one, and 1
    elsewhere: of the classes that come too near, the nearest counts (Crammer and Singer, 2001; Keras's). Among equals
    it is the first, and on the margin the gradient is taken as 0.

    Parameters
    ----------
    squared : bool
        Whether each maximum with 0 is squared, so that the gradient has no jump.
    every : bool
        Whether all classes that come too near count: a sum over c != y, over the number of classes (Weston and Watkins,
        1999; PyTorch's MultiMarginLoss).
    margin : float
        Above 0.
    ignore_index : int, optional
        A label that marks rows, or steps, that do not count.
    class_weight : sequence of float, optional
        One for each class.
    reduction : {"mean", "sum", "none"}
        See `Loss`.

    Raises
    ------
    ArgumentError
        If a setting is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> scores = np.array([[2.0, 1.5, 1.25]])
    >>> CategoricalHinge()(scores, [0])  # 1 - 2 + 1.5
    0.5
    >>> round(CategoricalHinge(every=True)(scores, [0]), 4)  # (0.5 + 0.25) / 3
    0.25
    """

    kernel_name = "categorical_hinge"
    scores = "scores"

    def __init__(
        self,
        squared: bool = False,
        every: bool = False,
        margin: float = 1.0,
        ignore_index: int | None = None,
        class_weight: Sequence[float] | None = None,
        *,
        reduction: str = "mean",
    ) -> None:
        super().__init__(ignore_index, class_weight, reduction=reduction)
        self.squared = flag(self, "squared", squared)
        self.every = flag(self, "every", every)
        self.margin = number(self, "margin", margin, above=0)

    def kernel_arguments(self) -> tuple[Any, ...]:
        """Return the margin, and which classes count how."""
        return self.margin, self.squared, self.every

    def lower(self, lowering: Lowering, prediction: Value, target: Value, *weights: Value) -> None:
        """Add the kernel to a program."""
        self.lower_with(
            lowering, prediction, target, weights, margin=self.margin, squared=self.squared, every=self.every
        )
