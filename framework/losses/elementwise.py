"""A loss from a function of each element and its derivative."""

from __future__ import annotations

from typing import Any

from lamina.backends import Array, Backend
from lamina.losses.regression import RegressionLoss

__all__ = ["ElementwiseLoss"]


class ElementwiseLoss(RegressionLoss):
    """The base class of losses that are the mean of a function of each prediction and its target.

    A loss of your own defines that function, `value`, and its derivative with respect to the prediction; lengths,
    masks, weights and the reduction are done here, on every backend.

        loss = sum_n m_n mean_c value(prediction_nc, target_nc) / sum_n m_n

    where m_n is 0 past a row's end, the mask's value where there is one, and 1 elsewhere. What stands where nothing
    counts is seen by neither function.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
        See `Loss`.

    Examples
    --------
    >>> from lamina.losses import ElementwiseLoss
    >>> class Cubed(ElementwiseLoss):
    ...     def value(self, xp, prediction, target):
    ...         return xp.abs(prediction - target) ** 3
    ...     def derivative(self, xp, prediction, target):
    ...         return 3 * (prediction - target) * xp.abs(prediction - target)
    >>> from lamina.testing import check_loss
    >>> check_loss(Cubed(), (4, 5, 3)).worst_error < 1e-6
    True
    >>> import numpy as np
    >>> Cubed(reduction="none")(np.array([[1.0, 3.0], [0.0, 0.0]]), [[1.0, 1.0], [0.0, 0.0]]).tolist()
    [4.0, 0.0]
    """

    kernel_name = "elementwise_loss"

    def value(self, xp: Any, prediction: Array, target: Array) -> Array:
        """Return the loss of each element.

        Parameters
        ----------
        xp : module
            The backend's array module, which follows the array API standard.
        prediction, target : (rows, features)
            Of the same dtype.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define value")

    def derivative(self, xp: Any, prediction: Array, target: Array) -> Array:
        """Return the derivative of each element's loss with respect to its prediction."""
        raise NotImplementedError(f"{type(self).__name__} does not define derivative")

    def kernel_arguments(self, backend: Backend, dtype: Any) -> tuple[Any, ...]:
        """Return both functions."""
        return self.value, self.derivative
