"""What a graph that another program wrote becomes, where it is no chain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina.compose.composite import Composite
from lamina.compose.tape import Tape, Value
from lamina.core.layer import Layer, require_layers
from lamina.core.registry import register
from lamina.core.shapes import as_tuple

__all__ = ["OnnxGraph"]


@register
class OnnxGraph(Composite):
    """Layers that are called one after another, each on any of the values so far.

    Parameters
    ----------
    layers : list of Layer
    steps : list of lists of int
        The number of the layer that is called, and those of the values that it takes: first come the inputs, then what
        each call gives, in order.
    outputs : list of int
        The numbers of the values that the graph gives.
    """

    def __init__(self, layers: list[Layer], steps: Sequence[Sequence[int]], outputs: Sequence[int]) -> None:
        self.layers = require_layers("OnnxGraph", layers)
        self.steps = [list(step) for step in steps]
        self.outputs = list(outputs)

    def compose(self, t: Tape, *inputs: Value) -> Any:
        """Call the layers."""
        values = list(inputs)
        for place, *numbers in self.steps:
            values += as_tuple(t(self.layers[place], *[values[number] for number in numbers]))
        given = tuple(values[number] for number in self.outputs)
        return given if len(given) > 1 else given[0]
