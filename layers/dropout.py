"""Dropout."""

from __future__ import annotations

from typing import Any

from lamina.backends import Array
from lamina.core.arguments import number
from lamina.core.lowering import Lowering, Value
from lamina.core.registry import register
from lamina.core.shapes import Lengths, Shape
from lamina.kinds.random import RandomLayer

__all__ = ["Dropout"]


@register
class Dropout(RandomLayer):
    """y = x m / (1 - rate) in training, with m = 0 at that rate and else 1; y = x otherwise (Srivastava et al., 2014).

    What is kept is scaled up in training, so that inference needs no scaling. The masks of a model built from one seed
    are the same, bit for bit, on every backend, in both dtypes, whatever the padding, and also where a batch is
    computed in parts: see `RandomLayer`. The device computes them, from eight bytes for each row.

    Parameters
    ----------
    rate : float
        The share of elements set to 0: from 0 to below 1.

    Raises
    ------
    ArgumentError
        If the rate is not such a number.

    Examples
    --------
    >>> import numpy as np
    >>> layer = Dropout(0.5)
    >>> layer.build((None, 6), seed=0)
    (None, 6)
    >>> y, saved = layer.forward(np.ones((1, 6), "float32"))
    >>> sorted(set(y[0].tolist()))
    [0.0, 2.0]
    >>> layer(np.ones((1, 6)))
    array([[1., 1., 1., 1., 1., 1.]], dtype=float32)
    """

    kernel_name = "dropout"

    def __init__(self, rate: float) -> None:
        self.rate = number(type(self).__name__, "rate", rate, least=0, below=1)

    def build(self, shape: Shape) -> Shape:
        """Return the same shape."""
        return shape

    def mask_shape(self, x: Array) -> tuple[int, ...]:
        """Return the shape of the mask for x: its own."""
        return tuple(x.shape)

    def forward(self, x: Array) -> tuple[Array, Any]:
        """Return y of x's shape, by a mask of this call's own."""
        kernel = self.kernel
        y, content = kernel.forward(x, self.keep_mask(self.mask_shape(x), self.rate), rate=self.rate)
        return y, (kernel, content)

    def backward(self, dy: Array, saved: Any) -> Array:
        """Return dx of x's shape, by the same mask."""
        kernel, content = saved
        return kernel.backward(dy, content)

    def infer(self, x: Array, lengths: Lengths | None = None) -> Array:
        """Return x itself."""
        return x

    def lower(self, lowering: Lowering, x: Value) -> Value:
        """Add the kernel of training to a program."""
        return self.lowered(lowering, x, each_step=True)

    def lowered(self, lowering: Lowering, x: Value, each_step: bool) -> Value:
        """Add the kernel to a program, with a mask for each step or one for all of them."""
        if not lowering.training:
            return x
        return lowering.apply("dropout", x, rate=self.rate, each_step=each_step, draw=lowering.draws(self))
