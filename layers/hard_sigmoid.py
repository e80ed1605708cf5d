"""The sigmoid of three straight pieces."""

from __future__ import annotations

from typing import Any

from lamina.core.arguments import number
from lamina.core.registry import register
from lamina.kinds.activation import Activation

__all__ = ["HardSigmoid"]


@register
class HardSigmoid(Activation):
    """y = min(max(slope x + offset, 0), 1) (Courbariaux et al., 2015).

    With the settings as they are it is min(max(x + 3, 0), 6) / 6 (Howard et al., 2019), as in PyTorch and Keras 3; ONNX
    and older Keras have a slope of 0.2.

    Parameters
    ----------
    slope, offset : float

    Raises
    ------
    ArgumentError
        If slope is not a number above 0, or offset not a finite one.

    Examples
    --------
    >>> layer = HardSigmoid()
    >>> layer.build((None, 3), dtype="float64")
    (None, 3)
    >>> layer([[-4.0, 0.0, 1.5]]).round(4).tolist()
    [[0.0, 0.5, 0.75]]
    """

    kernel_name = "hard_sigmoid"

    def __init__(self, slope: float = 1 / 6, offset: float = 0.5) -> None:
        self.slope = number("HardSigmoid", "slope", slope, above=0)
        self.offset = number("HardSigmoid", "offset", offset)

    def kernel_options(self) -> dict[str, Any]:
        """Return what decides which kernel runs."""
        return {"slope": self.slope, "offset": self.offset}
