"""Cross-entropy of a sigmoid, from logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.backends import Array, Backend
from lamina.core.arguments import number
from lamina.core.host import as_lists
from lamina.core.lowering import Lowering, Value
from lamina.core.registry import register
from lamina.losses.labels import as_weights, require_weights, weights_array
from lamina.losses.regression import FROM_0_TO_1, RegressionLoss

__all__ = ["BinaryCrossEntropy"]


@register(aliases=("bce", "bce_with_logits", "binary_cross_entropy_with_logits"))
class BinaryCrossEntropy(RegressionLoss):
    r"""Sigmoid and cross-entropy in one, each output a yes or no of its own.

    For logits z, targets t from 0 to 1, and s the sigmoid,

        loss = sum_n m_n mean_c w_c (-p_c t_nc log s(z_nc) - (1 - t_nc) log(1 - s(z_nc))) / sum_n m_n

    where m_n is 0 past a row's end, the mask's value where there is one, and 1 elsewhere; p_c is the positive
    weight and w_c the class weight. The mean over outputs divides by their number, not by their weights.

    Parameters
    ----------
    positive_weight : float or sequence of float, optional
        p, of 0 or more: above 1 where positives are rare. One for all outputs, or one for each.
    class_weight : sequence of float, optional
        w, of 0 or more: one for each output.
    label_smoothing : float
        From 0 up to but not including 1: targets t become t (1 - label_smoothing) + label_smoothing / 2
        (Szegedy et al., 2016).
    reduction : {"mean", "sum", "none"}
        See `Loss`.

    Raises
    ------
    ArgumentError
        If a weight is negative or not finite, or the smoothing out of range.

    Examples
    --------
    >>> import numpy as np
    >>> loss = BinaryCrossEntropy()
    >>> round(loss(np.array([[2.0], [-1.0]]), [[1], [0]]), 4)
    0.2201
    """

    kernel_name = "binary_cross_entropy"
    takes_names = "two"
    expected_targets = FROM_0_TO_1

    def __init__(
        self,
        positive_weight: float | Sequence[float] | None = None,
        class_weight: Sequence[float] | None = None,
        label_smoothing: float = 0.0,
        *,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        name = "BinaryCrossEntropy"
        self.positive_weight: float | list[float] | None
        positive_weight = as_lists(positive_weight, f"{name} positive_weight")
        if positive_weight is None or np.ndim(positive_weight):
            self.positive_weight = as_weights(name, "positive_weight", positive_weight, "output")
        else:
            self.positive_weight = number(name, "positive_weight", positive_weight, least=0)
        self.class_weight = as_weights(name, "class_weight", class_weight, "output")
        self.label_smoothing = number(name, "label_smoothing", label_smoothing, least=0, below=1)

    def prepare(self, target: Array) -> Array:
        """Return smoothed targets."""
        return target * (1 - self.label_smoothing) + self.label_smoothing / 2 if self.label_smoothing else target

    def kernel_arguments(self, backend: Backend, dtype: Any) -> tuple[Any, ...]:
        """Return both weights, (outputs,) or None; one for all outputs as (1,)."""
        return tuple(weights_array(backend, each, dtype) for each in (self.positive_weight, self.class_weight))

    def kernel_options(self) -> dict[str, Any]:
        """Return which weights there are."""
        return {
            "positive_weight": self.positive_weight is not None,
            "class_weight": self.class_weight is not None,
        }

    def check_shapes(self, target: tuple[int, ...], shape: tuple[int, ...]) -> None:
        """Raise where a target's shape is not the prediction's, or the weights are not one for each output.

        Raises
        ------
        ShapeError
        """
        super().check_shapes(target, shape)
        for name, weights in (("positive", self.positive_weight), ("class", self.class_weight)):
            require_weights(self, name, weights, shape[-1])

    def lower(self, lowering: Lowering, prediction: Value, target: Value, *weights: Value) -> None:
        """Add the kernel to a program."""
        smoothing = self.label_smoothing
        arrays = self.positive_weight, self.class_weight
        for given in arrays:
            if isinstance(given, list) and len(given) != prediction.features:
                raise lowering.refuse(self, f"has {len(given)} weights")
        numbers = 1 - smoothing, smoothing / 2
        self.lower_with(lowering, prediction, target, weights, numbers=numbers, arrays=arrays)
