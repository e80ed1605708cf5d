"""Chains and composites: what calls other layers, and joins what they give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina.compose.composite import Composite
from lamina.compose.operations import Joined, Mean, Operation, Product, Sum
from lamina.compose.sequential import Sequential
from lamina.compose.tape import Tape, Value
from lamina.core.layer import Layer
from lamina.core.shapes import as_tuple
from lamina.errors import ExportError
from lamina.onnx.graph import Graph, Tensor
from lamina.onnx.translation import call, translates

_PASSES = ("forward", "infer", "_run", "_inputs", "_compose", "stream", "output_lengths")


class Translating(Tape):
    """Says what a ``compose`` does; values hold tensors."""

    def __init__(self, owner: Layer, graph: Graph) -> None:
        super().__init__(owner)
        self.graph = graph

    def __call__(self, layer: Layer, *inputs: Value) -> Any:
        """Say what a layer does."""
        given = call(self.graph, layer, *[value.content for value in inputs])
        if isinstance(given, Tensor):
            return Value(given, given.lengths, self)
        return tuple([Value(one, one.lengths, self) for one in given])

    def join(self, operation: Operation, inputs: Sequence[Value]) -> Value:
        """Say what an operation between values does."""
        graph, tensors = self.graph, [value.content for value in inputs]
        lengths = next((one.lengths for one in tensors if one.lengths is not None), None)
        shape = operation.shape(self.owner.label, [one.shape for one in tensors], [""] * len(tensors))
        before, graph.path = graph.path, self.owner.path
        if lengths is not None:
            operation.check_lengths(self.owner.label, len(shape))
        name = self._joined(operation, tensors)
        graph.path = before
        return Value(Tensor(name, shape, lengths), lengths, self)

    def _joined(self, operation: Operation, tensors: Sequence[Tensor]) -> str:
        graph = self.graph
        if type(operation) is Joined:
            return graph.add("Concat", *tensors, axis=operation.axis)
        if type(operation) not in (Sum, Mean, Product):
            raise ExportError(f"{self.owner.label}: {type(operation).__name__} cannot be said in ONNX")
        name = tensors[0].name
        for one in tensors[1:]:
            name = graph.add("Mul" if type(operation) is Product else "Add", name, one)
        return graph.add("Div", name, float(len(tensors))) if type(operation) is Mean else name


@translates(Composite, unless=_PASSES)
def composite(graph: Graph, layer: Composite, *inputs: Tensor) -> Any:
    """Run a ``compose`` on tensors."""
    outputs = layer._compose(Translating(layer, graph), [Value(one, one.lengths) for one in inputs])
    given = tuple([value.content for value in as_tuple(outputs)])
    return given if isinstance(outputs, tuple) else given[0]


@translates(Sequential, unless=(*_PASSES, "_chain"))
def sequential(graph: Graph, layer: Sequential, *inputs: Tensor) -> Any:
    """Hand on what one layer gives to the next."""
    given: Any = inputs
    for one in layer.layers:
        given = call(graph, one, *((given,) if isinstance(given, Tensor) else given))
    return given
