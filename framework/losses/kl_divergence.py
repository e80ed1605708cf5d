"""The Kullback-Leibler divergence from a predicted distribution to a target."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends import Backend
from lamina.core.arguments import flag
from lamina.core.host import as_host
from lamina.core.lowering import Lowering, Value
from lamina.core.registry import register
from lamina.losses.labels import counted_steps, require_probabilities
from lamina.losses.regression import RegressionLoss

__all__ = ["KLDivergence"]


@register(aliases=("kl_div", "kl_div_loss", "kld", "kullback_leibler_divergence"))
class KLDivergence(RegressionLoss):
    """The Kullback-Leibler divergence of a target distribution over classes from the predicted one, from logits.

        loss = sum_n m_n sum_c t_nc (log t_nc - log softmax(z_n)_c) / sum_n m_n

    where z is the prediction, t the target, and m_n is 0 past a row's end, the mask's value where there is one, and 1
    elsewhere. Log-probabilities, as a LogSoftmax layer gives them, are logits as they are: softmax makes them
    probabilities again. It is a sum over classes, PyTorch's ``"batchmean"``, and 0 where both are the same
    (Kullback and Leibler, 1951).

    Parameters
    ----------
    log_target : bool
        Whether targets are log-probabilities too.
    reduction : {"mean", "sum", "none"}
        See `Loss`.

    Raises
    ------
    ArgumentError
        If ``log_target`` is neither True nor False.

    Examples
    --------
    >>> import numpy as np
    >>> round(KLDivergence()(np.log([[0.5, 0.5]]), [[0.25, 0.75]]), 4)  # log(1/2) / 4 + 3 log(3/2) / 4
    0.1308
    """

    kernel_name = "kl_divergence"

    def __init__(self, log_target: bool = False, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.log_target = flag(self, "log_target", log_target)

    def kernel_arguments(self, backend: Backend, dtype: Any) -> tuple[Any, ...]:
        """Return whether targets are logarithms."""
        return (self.log_target,)

    def check_target(self, target: Any, shape: tuple[int, ...], lengths: Any = None, mask: Any = None) -> None:
        """Raise where a target that counts is no distribution, or their shape is not the prediction's.

        Raises
        ------
        ShapeError, DTypeError, DataError
        """
        super().check_target(target, shape, lengths, mask)
        host = as_host(target, f"{self.label} target")
        counted = counted_steps(self, shape, lengths, mask)
        if self.log_target:
            with np.errstate(all="ignore"):  # of what does not count
                host = np.exp(np.asarray(host, np.float64))
        require_probabilities(self, host, counted)

    def lower(self, lowering: Lowering, prediction: Value, target: Value, *weights: Value) -> None:
        """Add the kernel to a program."""
        self.lower_with(lowering, prediction, target, weights, log_target=self.log_target)
