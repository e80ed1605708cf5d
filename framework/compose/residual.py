"""A layer beside an identity."""

from __future__ import annotations

from lamina.compose.composite import Composite
from lamina.compose.tape import Tape, Value
from lamina.core.layer import Layer, require_layers
from lamina.core.registry import register

__all__ = ["Residual"]


@register
class Residual(Composite):
    """y = x + inner(x) (He et al., 2016).

    Parameters
    ----------
    inner : Layer
        Its output must have its input's shape.

    Raises
    ------
    ShapeError
        When built, if it has not.

    Examples
    --------
    >>> from lamina.layers import Dense
    >>> layer = Residual(Dense(2, w_initializer="ones"))
    >>> layer.build((None, 2))
    (None, 2)
    >>> layer([[1.0, 2.0]])
    array([[4., 5.]], dtype=float32)
    """

    def __init__(self, inner: Layer) -> None:
        self.inner = require_layers("Residual", [inner])[0]

    def compose(self, t: Tape, x: Value) -> Value:
        """Return x + inner(x)."""
        return t.add(t(self.inner, x), x)
