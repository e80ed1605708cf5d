"""Mean squared error."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lamina.backends import Array
from lamina.errors import DTypeError, ShapeError
from lamina.loss import Loss
from lamina.registry import register

__all__ = ["MeanSquaredError"]


@register
class MeanSquaredError(Loss):
    """The squared difference, averaged over features and over the rows, or steps, that count.

        loss = sum_n m_n mean_c (prediction_nc - target_nc)^2 / sum_n m_n

    where m_n is 0 past a row's end, the mask's value where there is one, and 1 elsewhere.

    Examples
    --------
    >>> import numpy as np
    >>> MeanSquaredError()(np.array([[1.0, 2.0]]), [[1.0, 4.0]])
    2.0
    """

    def forward(self, prediction: Array, target: Any, lengths: Any = None, mask: Any = None) -> tuple[Array, Any]:
        """Return the loss and its saved state.

        Parameters
        ----------
        prediction : (batch, features) or (batch, time, features)
        target : array-like of the same shape
        lengths : (batch,) integers, optional
        mask : (batch,) or (batch, time), optional

        Returns
        -------
        loss : 0-d array
        saved : for `backward`, which returns an array of the prediction's shape
        """
        backend = self.backend_for(prediction)
        shape = tuple(prediction.shape)
        if not backend.is_array(target):
            target = np.asarray(target)
        self.check_target(target, shape)
        target = backend.astype(backend.asarray(target), prediction.dtype)
        rows = (math.prod(shape[:-1]), shape[-1])
        weight = self.step_weights(backend, shape[:-1], prediction.dtype, lengths, mask)
        kernel = backend.select("mean_squared_error")
        loss, content = kernel.forward(backend.reshape(prediction, rows), backend.reshape(target, rows), weight)
        return loss, (backend, kernel, content, shape)

    def backward(self, saved: Any) -> Array:
        """Return d prediction, of the prediction's shape."""
        backend, kernel, content, shape = saved
        return backend.reshape(kernel.backward(content), shape)

    def check_target(self, target: Any, shape: tuple[int, ...], lengths: Any = None, mask: Any = None) -> None:
        """Raise where targets are no numbers or have another shape than the prediction.

        Raises
        ------
        ShapeError, DTypeError
        """
        if not hasattr(target, "shape"):
            target = np.asarray(target)
        if len(shape) < 2:
            raise ShapeError(f"{self.label}: expected predictions (batch, ..., features), got {shape}")
        if isinstance(target, np.ndarray) and target.dtype.kind not in "iufb":
            raise DTypeError(f"{self.label}: expected numbers as targets, got an array of {target.dtype}")
        if tuple(target.shape) != shape:
            raise ShapeError(f"{self.label}: expected targets of shape {shape}, got {tuple(target.shape)}")
