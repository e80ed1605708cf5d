"""Gated linear units."""

from __future__ import annotations

from typing import Any

from lamina.core.arguments import one_of
from lamina.core.lowering import Lowering, Value
from lamina.core.registry import register
from lamina.core.shapes import Shape
from lamina.errors import ShapeError
from lamina.kinds.activation import Activation

__all__ = ["GLU"]

_ACTIVATIONS = ("sigmoid", "tanh", "relu", "gelu", "silu", "linear")


@register
class GLU(Activation):
    """y = a f(b) for x = [a, b]: the first half of the features, gated by the second (Dauphin et al., 2017).

    Behind a `Dense` of twice the units it is the gated linear unit with f the sigmoid; with f named otherwise its
    variants (Shazeer, 2020): SwiGLU is ``GLU("silu")``, GEGLU ``GLU("gelu")``, ReGLU ``GLU("relu")``, the bilinear
    one ``GLU("linear")``.

    Parameters
    ----------
    activation : str
        f: ``"sigmoid"``, ``"tanh"``, ``"relu"``, ``"gelu"``, ``"silu"``, or ``"linear"``, which is none.

    Raises
    ------
    UnknownNameError
        If the activation is none of these.
    ShapeError
        If built for a last axis of open or of odd size.

    Examples
    --------
    >>> layer = GLU("relu")
    >>> layer.build((None, 4))
    (None, 2)
    >>> layer([[2.0, 3.0, 5.0, -1.0]]).tolist()
    [[10.0, 0.0]]
    """

    kernel_name = "glu"

    def __init__(self, activation: str = "sigmoid") -> None:
        self.activation = one_of(self, "activation", activation, _ACTIVATIONS)

    def kernel_options(self) -> dict[str, Any]:
        """Return what decides which kernel runs."""
        return {"activation": self.activation}

    def build(self, shape: Shape) -> Shape:
        """Return (..., units) for (..., 2 units)."""
        features = self.size_of(shape, -1)
        if features % 2:
            raise ShapeError(f"{self.label}: expected an even number of features, to halve them, got {features}")
        return (*shape[:-1], features // 2)

    def lower(self, lowering: Lowering, x: Value) -> Value:
        """Add it to a program: both halves, the activation of the second, and their product."""
        half = x.features // 2
        a, b = lowering.take(x, 0, half), lowering.take(x, half, half)
        return lowering.fold("multiply", (a, b if self.activation == "linear" else lowering.apply(self.activation, b)))
