"""What is known of another program's graph while its nodes are followed.

The values of such a graph have axes that stand in any order, so each axis has a letter: b for rows, t for steps, f for
features, d for the directions of a recurrent layer, and 1 for an axis of one place. A layer's value is always (batch,
time, features), or (batch, features); those of directions stand side by side among the features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from lamina.core.layer import Layer
from lamina.onnx.packages import onnx_package

__all__ = ["Known", "Lengths", "Live", "Node", "NumpyArray", "Order", "Reading", "Rows", "Unfit", "Zeros"]

NumpyArray = np.ndarray[Any, Any]


class Known(NamedTuple):
    """An array; of a shape, open sizes are the letters of their axes."""

    array: NumpyArray


class Zeros(NamedTuple):
    """Zeros of any size, as a recurrent layer begins with."""


class Rows(NamedTuple):
    """The numbers of all rows, 0, 1, ..."""


class Order(NamedTuple):
    """The rows from the longest to the shortest; or what brings them back, by the ``inverse``."""

    inverse: bool = False


class Lengths(NamedTuple):
    """The number of valid steps of each row, which a model takes as its lengths; maybe with the longest row first."""

    ordered: bool = False


class Live(NamedTuple):
    """What a layer gives, or an input.

    Attributes
    ----------
    number : int
        Of the value, among all of the graph's.
    axes : str
        A letter for each axis.
    features : int
        How many, on all directions.
    directions : int
        Between which the features are divided.
    ordered : bool
        Whether the longest row comes first, as in PyTorch's packed sequences.
    """

    number: int
    axes: str
    features: int
    directions: int = 1
    ordered: bool = False


class Unfit(Exception):
    """A node does not fit how the inputs' axes were taken; ``place`` is where it stands."""

    def __init__(self, message: str, place: int = 0) -> None:
        super().__init__(message)
        self.place = place


class Node:
    """A node, with its attributes and what it takes.

    Attributes
    ----------
    operator, name : str
    attributes : dict
    inputs : list of Known, Zeros, Rows, Order, Lengths, Live or None
    """

    def __init__(self, proto: Any, inputs: list[Any]) -> None:
        self.proto = proto
        self.operator, self.name = str(proto.op_type), str(proto.name or proto.output[0])
        value = onnx_package().helper.get_attribute_value
        self.attributes = {one.name: value(one) for one in proto.attribute}
        self.inputs = inputs

    def input(self, place: int) -> Any:
        """Return what it takes in a place; None for nothing."""
        return self.inputs[place] if place < len(self.inputs) else None

    def known(self, place: int) -> NumpyArray:
        """Return the array in a place, or raise `Unfit`."""
        one = self.input(place)
        if not isinstance(one, Known):
            raise Unfit(f"its input {place} is no constant")
        return one.array

    def live(self, place: int = 0) -> Live:
        """Return the value in a place, or raise `Unfit`."""
        one = self.input(place)
        if not isinstance(one, Live):
            raise Unfit(f"its input {place} is a constant")
        return one

    def attribute(self, name: str, otherwise: Any) -> Any:
        """Return an attribute; text is text."""
        found = self.attributes.get(name, otherwise)
        return found.decode() if isinstance(found, bytes) else found


class Reading:
    """The layers that were read so far, and what each name of the graph stands for.

    Attributes
    ----------
    values : dict of str to value
    layers : list of Layer
    weights : list of (Layer, dict)
        What to set once all is built: arrays by attribute, those of inner layers by a dotted path.
    steps : list of lists of int
    """

    def __init__(self, graph: Any, values: dict[str, Any], count: int) -> None:
        self.graph = graph
        self.values = values
        self.layers: list[Layer] = []
        self.weights: list[tuple[Layer, dict[str, NumpyArray]]] = []
        self.steps: list[list[int]] = []
        self.count = count

    def call(self, layer: Layer, taken: Sequence[int], outputs: int = 1, **weights: NumpyArray) -> int:
        """Note that a layer is called on values; return the number of its first output."""
        self.layers.append(layer)
        self.weights.append((layer, weights))
        self.steps.append([len(self.layers) - 1, *taken])
        self.count += outputs
        return self.count - outputs

    def uses(self, name: str) -> list[Any]:
        """Return the nodes that take a name; the graph itself stands for its outputs."""
        found = [node for node in self.graph.node if name in node.input]
        return found + [self.graph for one in self.graph.output if one.name == name]
