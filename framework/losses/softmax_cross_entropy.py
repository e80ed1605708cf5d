"""Cross-entropy of a softmax, from logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina.core.arguments import number
from lamina.core.lowering import Lowering, Value
from lamina.core.registry import register
from lamina.losses.labels import LabelLoss, require_probabilities

__all__ = ["SoftmaxCrossEntropy"]


@register(
    aliases=("cross_entropy", "cross_entropy_loss", "categorical_crossentropy", "sparse_categorical_crossentropy")
)
class SoftmaxCrossEntropy(LabelLoss):
    r"""Softmax and cross-entropy in one, averaged over the rows, or steps, that count.

    For logits z, target distribution q and class weights w,

        loss = sum_n m_n sum_c -w_c q_nc log softmax(z_n)_c / sum_n m_n

    where m_n is 0 for an ignored label or a step past its row's end, the mask's value where there is one, and
    1 elsewhere. The divisor counts steps, not class weights (PyTorch divides by the weights of the labels that
    happen to be in the batch). It is 0 where nothing counts.

    Parameters
    ----------
    ignore_index : int, optional
        A label that marks rows, or steps, that do not count.
    class_weight : sequence of float, optional
        One for each class.
    label_smoothing : float
        The share, from 0 up to but not including 1, of each target that is spread evenly over all classes
        (Szegedy et al., 2016).
    reduction : {"mean", "sum", "none"}
        See `Loss`.

    Raises
    ------
    ArgumentError
        If a setting is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> loss = SoftmaxCrossEntropy()
    >>> round(loss(np.array([[2.0, 0.0], [0.0, 0.0]]), [0, 1]), 4)
    0.41
    """

    kernel_name = "softmax_cross_entropy"
    takes_probabilities = True

    def __init__(
        self,
        ignore_index: int | None = None,
        class_weight: Sequence[float] | None = None,
        label_smoothing: float = 0.0,
        *,
        reduction: str = "mean",
    ) -> None:
        super().__init__(ignore_index, class_weight, reduction=reduction)
        self.label_smoothing = number(self, "label_smoothing", label_smoothing, least=0, below=1)

    def kernel_options(self, labelled: bool) -> dict[str, Any]:
        """Return what decides which kernel runs, for targets that are labels or distributions."""
        return {
            "probabilities": not labelled,
            "class_weight": self.class_weight is not None,
            "smoothing": self.label_smoothing > 0,
        }

    def kernel_arguments(self) -> tuple[float]:
        """Return the smoothing."""
        return (self.label_smoothing,)

    def check_probabilities(self, target: Any, counted: Any) -> None:
        """Raise where a distribution that counts has a negative part, or does not sum to 1."""
        require_probabilities(self, target, counted)

    def lower(self, lowering: Lowering, prediction: Value, target: Value, *weights: Value) -> None:
        """Add the kernel to a program."""
        self.lower_with(lowering, prediction, target, weights, smoothing=self.label_smoothing)
