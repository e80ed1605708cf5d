"""Joining along an axis."""

from __future__ import annotations

from lamina.compose.composite import Composite
from lamina.compose.tape import Tape, Value
from lamina.core.arguments import extent
from lamina.core.layer import Layer, require_layers
from lamina.core.registry import register
from lamina.errors import ShapeError

__all__ = ["Concat"]


@register
class Concat(Composite):
    """Branches over one input, their outputs joined; without branches, several inputs joined as they are.

    Parameters
    ----------
    *branches : Layer
    axis : int
        The axis along which to join; not the batch's.

    Raises
    ------
    ShapeError
        When built, if the outputs differ in more than that axis.

    Examples
    --------
    >>> from lamina.layers import Dense
    >>> Concat(Dense(2), Dense(3)).build((None, 4))
    (None, 5)
    >>> Concat().build((None, 4), (None, 6))
    (None, 10)
    """

    def __init__(self, *branches: Layer, axis: int = -1) -> None:
        self.branches = require_layers("Concat", branches)
        self.axis = extent(self, "axis", axis, least=None)

    def children(self) -> dict[str, Layer]:
        """Return the branches by position."""
        return {str(index): branch for index, branch in enumerate(self.branches)}

    def compose(self, t: Tape, *inputs: Value) -> Value:
        """Return the branches' outputs, or the inputs, joined."""
        if self.branches and len(inputs) != 1:
            raise ShapeError(f"{self.label}: expected one input for its branches, got {len(inputs)}")
        return t.concatenate(*([t(branch, inputs[0]) for branch in self.branches] or inputs), axis=self.axis)
