"""The quantile, or pinball, loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.backends import Backend
from lamina.core.arguments import number
from lamina.core.host import as_lists
from lamina.core.lowering import Lowering, Value
from lamina.core.registry import register
from lamina.errors import ArgumentError, ShapeError
from lamina.losses.labels import weights_array
from lamina.losses.regression import RegressionLoss

__all__ = ["Quantile"]


@register(aliases=("quantile_loss", "pinball", "pinball_loss"))
class Quantile(RegressionLoss):
    """The loss whose least value a prediction has at a quantile of the targets (Koenker and Bassett, 1978).

        loss = sum_n m_n mean_qc max(q d_nqc, (q - 1) d_nqc) / sum_n m_n, d_nqc = target_nc - prediction_nqc

    where m_n is 0 past a row's end, the mask's value where there is one, and 1 elsewhere. At d = 0 the gradient is
    taken as 0.

    With several quantiles, and targets (batch, ..., features), predictions are (batch, ..., quantiles * features):
    all features of the first quantile, then those of the second, and so on.

    Parameters
    ----------
    quantiles : float or sequence of float
        Each between 0 and 1: 0.5, the median, gives half the absolute error.
    reduction : {"mean", "sum", "none"}
        See `Loss`.

    Raises
    ------
    ArgumentError
        If there is no quantile, or one is not between 0 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> round(Quantile(0.9)(np.array([[1.0], [4.0]]), [[3.0], [3.0]]), 4)  # (0.9 * 2 + 0.1 * 1) / 2
    0.95
    >>> round(Quantile([0.1, 0.9])(np.array([[1.0, 4.0]]), [[3.0]]), 4)  # (0.1 * 2 + 0.1 * 1) / 2
    0.15
    """

    kernel_name = "quantile"

    def __init__(self, quantiles: float | Sequence[float] = 0.5, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        several: Any = as_lists(quantiles, f"{self.label} quantiles")
        if np.ndim(several) > 1 or (np.ndim(several) == 1 and not len(several)):
            raise ArgumentError(f"{self.label}: expected quantiles to be a number or a list of them, got {quantiles!r}")
        self.quantiles: float | list[float]
        if np.ndim(several):
            self.quantiles = [number(self, "every quantile", one, above=0, below=1) for one in several]
        else:
            self.quantiles = number(self, "quantiles", several, above=0, below=1)

    def kernel_arguments(self, backend: Backend, dtype: Any) -> tuple[Any, ...]:
        """Return the quantiles, (quantiles,)."""
        return (weights_array(backend, self.quantiles, dtype),)

    def check_shapes(self, target: tuple[int, ...], shape: tuple[int, ...]) -> None:
        """Raise where predictions of ``shape`` are not one for each quantile of the targets.

        Raises
        ------
        ShapeError
        """
        count = len(self.quantiles) if isinstance(self.quantiles, list) else 1
        if count == 1:
            super().check_shapes(target, shape)
            return
        if len(shape) < 2 or shape[-1] % count:
            raise ShapeError(
                f"{self.label}: expected predictions (batch, ..., {count} quantiles * features), got {shape}"
            )
        wanted = (*shape[:-1], shape[-1] // count)
        if target != wanted:
            raise ShapeError(
                f"{self.label}: expected targets of shape {wanted}, for predictions {shape} of {count} quantiles, "
                f"got {target}"
            )

    def lower(self, lowering: Lowering, prediction: Value, target: Value, *weights: Value) -> None:
        """Add the kernel to a program."""
        quantiles = self.quantiles if isinstance(self.quantiles, list) else [self.quantiles]
        self.lower_with(lowering, prediction, target, weights, quantiles=quantiles)
