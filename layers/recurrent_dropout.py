"""Dropout with one mask for all steps."""

from __future__ import annotations

from lamina.backends import Array
from lamina.core.lowering import Lowering, Value
from lamina.core.registry import register
from lamina.core.shapes import Shape, show
from lamina.errors import ShapeError
from lamina.layers.dropout import Dropout

__all__ = ["RecurrentDropout"]


@register
class RecurrentDropout(Dropout):
    """`Dropout` of whole features: each row has one mask for all its steps (Gal & Ghahramani, 2016).

    Between recurrent layers it drops the same features at every step, so that noise does not add up over time, and
    what a row's state remembers is not blurred. A sequence that is read in pieces gets a mask for each piece.

    Parameters
    ----------
    rate : float
        The share of features set to 0: from 0 to below 1.

    Raises
    ------
    ArgumentError
        If the rate is not such a number.
    ShapeError
        If built for anything but (batch, time, features).

    Examples
    --------
    >>> import numpy as np
    >>> layer = RecurrentDropout(0.5)
    >>> layer.build((None, None, 8), seed=0)
    (None, None, 8)
    >>> y, saved = layer.forward(np.ones((1, 3, 8), "float32"))
    >>> bool((y[0, 0] == y[0, 2]).all())
    True
    """

    def build(self, shape: Shape) -> Shape:
        """Return the same shape."""
        if len(shape) != 3:
            raise ShapeError(f"{self.label}: expected (batch, time, features), got {show(shape)}")
        return shape

    def mask_shape(self, x: Array) -> tuple[int, ...]:
        """Return (batch, 1, features)."""
        return (x.shape[0], 1, x.shape[2])

    def lower(self, lowering: Lowering, x: Value) -> Value:
        """Add the kernel of training to a program."""
        return self.lowered(lowering, x, each_step=False)
