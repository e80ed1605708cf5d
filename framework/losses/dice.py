"""The soft Dice loss, from logits."""

from __future__ import annotations

import math
from typing import Any

from lamina.backends import Array
from lamina.core.arguments import number
from lamina.core.registry import register
from lamina.losses.kernel import EACH, PLAIN
from lamina.losses.reading import read_prediction
from lamina.losses.regression import FROM_0_TO_1, RegressionLoss

__all__ = ["Dice"]


@register(aliases=("dice_loss", "soft_dice"))
class Dice(RegressionLoss):
    """One minus the overlap of what is predicted and what is true, of a row as a whole (Milletari et al., 2016).

    For logits z, targets t from 0 to 1 and s the sigmoid,

        loss = sum_b m_b (1 - (2 sum v s t + smooth) / (sum v s + sum v t + smooth)) / sum_b m_b

    where each sum is over all steps and outputs of row b. A step past the row's end has v = 0, others 1; a mask of rows
    gives m. A mask of steps gives both: m_b is the largest of the row's, and v each one over it. Rows without a step
    that counts are left out.

    It is for events that are rare among the steps, where cross-entropy is small already if all are missed. The mean is
    over rows, whatever their lengths, and ``reduction="none"`` gives (batch,).

    Parameters
    ----------
    smooth : float
        Above 0: what keeps a row without any event from 0 / 0, and rows with few of them from large steps.
    reduction : {"mean", "sum", "none"}
        See `Loss`.

    Raises
    ------
    ArgumentError
        If smooth is no finite number above 0.

    Examples
    --------
    >>> import numpy as np
    >>> round(Dice()(np.array([[0.0, 0.0]]), [[1, 0]]), 4)  # 1 - (2 * 0.5 + 1) / (1 + 1 + 1)
    0.3333
    """

    over_rows = True
    expected_targets = FROM_0_TO_1

    def __init__(self, smooth: float = 1.0, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.smooth = number(self, "smooth", smooth, above=0)

    def forward(self, prediction: Array, target: Any, lengths: Any = None, mask: Any = None) -> tuple[Array, Any]:
        """Return the loss and its saved state.

        Parameters
        ----------
        prediction : (batch, outputs) or (batch, time, outputs)
        target : array-like of the same shape
        lengths : (batch,) integers, optional
        mask : (batch,) or (batch, time), optional

        Returns
        -------
        loss : 0-d array, or (batch,) with ``reduction="none"``
        saved : for `backward`, which returns an array of the prediction's shape
        """
        backend, prediction, narrow = read_prediction(self, prediction)
        xp, shape, dtype = backend.xp, tuple(prediction.shape), prediction.dtype
        target = backend.astype(self.read_target(backend, target, shape, lengths, mask), dtype)
        batch, steps = shape[0], math.prod(shape[1:-1])
        weights = backend.reshape(self.weigh_steps(backend, shape[:-1], dtype, lengths, mask), (batch, steps))
        # Each row's weight, and within it that of each step.
        row_weight = xp.max(weights, axis=1, keepdims=True) if steps else backend.zeros((batch, 1), dtype)
        inside = weights / xp.where(row_weight == 0, xp.ones_like(row_weight), row_weight)
        inside = backend.reshape(
            xp.broadcast_to(inside[:, :, None], (batch, steps, shape[-1])), (batch, steps * shape[-1])
        )
        each = EACH if self.reduction == "none" else PLAIN
        kernel = backend.select("dice", **each)
        loss, content = kernel.forward(
            backend.reshape(prediction, (batch, steps * shape[-1])),
            backend.reshape(target, (batch, steps * shape[-1])),
            inside,
            self.shares(backend, row_weight[:, 0]),
            self.smooth,
            **each,
        )
        return loss, (backend, kernel, content, shape, narrow)
