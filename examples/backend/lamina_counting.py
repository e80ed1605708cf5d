"""A backend of another package: NumPy's arrays, two kernels of its own, and a count of their multiplications."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lamina.backends import Array, Backend

__all__ = ["CountingBackend"]


class CountingBackend(Backend):
    """NumPy, with a count of the multiplications in Dense and LeakyReLU.

    All other kernels are the generic ones. They count where they call ``dense``, as LSTM does to project its input;
    their further products are not counted.

    Attributes
    ----------
    multiplications : int
        Made so far by all models on this backend; set it to 0 to count anew.

    Examples
    --------
    >>> import lamina
    >>> layer = lamina.layers.Dense(4)
    >>> layer.build((None, 3), backend="counting")
    (None, 4)
    >>> lamina.get_backend("counting").multiplications = 0
    >>> layer([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]).shape
    (2, 4)
    >>> lamina.get_backend("counting").multiplications  # 2 rows, 3 inputs, 4 units
    24
    """

    # These three are a whole backend: each kernel exists once for any array module.
    name = "counting"
    xp = np
    array_type = np.ndarray

    def __init__(self) -> None:
        self.multiplications = 0

    def supports(self, kernel: str, **options: Any) -> bool:
        """Tell whether this backend's own kernel handles the options; for a slope outside (0, 1] the generic one runs.

        It is asked only for the kernels below, and ``dense`` has no options.
        """
        # Above 1, slope x would be the larger of the two for x > 0; at 0, infinity times the slope is NaN.
        return kernel != "leaky_relu" or 0 < options["slope"] <= 1

    # A kernel is a pair: both halves are overridden, or neither.

    def dense_forward(self, x: Array, w: Array, b: Array | None) -> tuple[Array, Any]:
        """Return y = x w + b, and what the backward kernel needs; rows * inputs * units multiplications."""
        self.multiplications += math.prod(x.shape) * w.shape[1]
        return super().dense_forward(x, w, b)

    def dense_backward(
        self, dy: Array, saved: Any, w: Array, *, input_gradient: bool = True
    ) -> tuple[Array | None, Array, Array]:
        """Return dx, dw and db; as many multiplications as forward for dw, and again for dx where it is asked for."""
        products = 2 if input_gradient else 1
        self.multiplications += products * math.prod(dy.shape) * w.shape[0]
        return super().dense_backward(dy, saved, w, input_gradient=input_gradient)

    def leaky_relu_forward(self, x: Array, *, slope: float) -> tuple[Array, Any]:
        """Return y = max(x, slope x), and what the backward kernel needs; a multiplication for each element."""
        self.multiplications += math.prod(x.shape)
        return np.maximum(x, slope * x), (x > 0, slope)

    def leaky_relu_backward(self, dy: Array, saved: Any) -> Array:
        """Return dx = dy where x > 0, else slope dy; a multiplication for each element."""
        positive, slope = saved
        self.multiplications += math.prod(dy.shape)
        return np.where(positive, dy, slope * dy)
