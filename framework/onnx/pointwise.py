"""What takes each step, or each element, by itself: dense layers, tables, sums and products."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.kinds.elementwise import Elementwise
from lamina.layers import (
    Add,
    Dense,
    Divide,
    Dropout,
    Embedding,
    Multiply,
    PositionalEncoding,
    Power,
    RecurrentDropout,
    Rescaling,
    Subtract,
)
from lamina.onnx.graph import Graph, Tensor
from lamina.onnx.translation import translates

__all__: list[str] = []


@translates(Dense)
def _dense(graph: Graph, layer: Dense, x: Tensor) -> str:
    return graph.dense(x, layer.w, layer.b)


@translates(Embedding)
def _embedding(graph: Graph, layer: Embedding, ids: Tensor) -> str:
    known = graph.fill_past(ids, ids.rank, ids.lengths, 0) if ids.rank > 1 else ids
    rows = graph.add("Gather", graph.weight(layer.w), known)
    return graph.fill_past(rows, ids.rank + 1, ids.lengths)


@translates(Dropout)
def _dropout(graph: Graph, layer: Dropout, x: Tensor) -> Tensor:
    return x


@translates(RecurrentDropout)
def _recurrent_dropout(graph: Graph, layer: RecurrentDropout, x: Tensor) -> Tensor:
    return x


@translates(Rescaling)
def _rescaling(graph: Graph, layer: Rescaling, x: Tensor) -> Any:
    if layer.scale == 1 and not layer.offset:
        return x
    y = x.name if layer.scale == 1 else graph.add("Mul", x, layer.scale)
    return graph.add("Add", y, layer.offset) if layer.offset else y


@translates(Power)
def _power(graph: Graph, layer: Power, x: Tensor) -> str:
    base = _ones_past(graph, x)
    if layer.exponent == 2:
        return graph.add("Mul", base, base)
    return graph.add("Pow", base, float(layer.exponent))


@translates(PositionalEncoding, streams=True)
def _positional_encoding(graph: Graph, layer: PositionalEncoding, states: Any, x: Tensor) -> tuple[str, Any]:
    """Add sin(p f) and cos(p f) = sin(p f + pi / 2), in double precision, as angles are large late in a row."""
    features, time = x.shape[-1] or 0, graph.size(x, 1)
    places = np.arange(features)
    frequency = 10000.0 ** -((places - places % 2) / features)
    after: tuple[str, ...] = ()
    steps, axes = graph.steps(time), [0, 2]
    if states:
        counts = states[0]
        steps, axes = graph.add("Add", graph.add("Unsqueeze", steps, [0]), graph.column(counts)), [2]
        had = time if x.lengths is None else x.lengths
        after = (graph.add("Add", counts, had),)
    place = graph.cast(graph.add("Unsqueeze", steps, axes), "float64")
    angle = graph.add("Add", graph.add("Mul", place, graph.exact(frequency)), graph.exact(places % 2 * (np.pi / 2)))
    return graph.add("Add", x, graph.cast(graph.add("Sin", angle))), after


@translates(Add)
def _add(graph: Graph, layer: Add, *inputs: Tensor) -> Tensor:
    return _fold(graph, layer, "Add", inputs)


@translates(Subtract)
def _subtract(graph: Graph, layer: Subtract, *inputs: Tensor) -> Tensor:
    return _fold(graph, layer, "Sub", inputs)


@translates(Multiply)
def _multiply(graph: Graph, layer: Multiply, *inputs: Tensor) -> Tensor:
    return _fold(graph, layer, "Mul", inputs)


@translates(Divide)
def _divide(graph: Graph, layer: Divide, a: Tensor, b: Tensor) -> Tensor:
    lengths = _lengths((a, b))
    return _fold(graph, layer, "Div", (a, b._replace(name=_ones_past(graph, b._replace(lengths=lengths)))))


def _fold(graph: Graph, layer: Elementwise, operator: str, inputs: Any) -> Tensor:
    """Return what an operator gives of inputs, those without steps taken for every step."""
    shape = layer._shape([x.shape for x in inputs])
    rank = len(shape)
    names = [graph.add("Unsqueeze", x, list(range(1, rank - 1))) if x.rank < rank else x.name for x in inputs]
    y = names[0]
    for one in names[1:]:
        y = graph.add(operator, y, one)
    return Tensor(y, shape, _lengths(inputs))


def _lengths(inputs: Any) -> str | None:
    return next((x.lengths for x in inputs if x.lengths is not None), None)


def _ones_past(graph: Graph, x: Tensor) -> str:
    """Return x with 1 past each row's end, so that nothing is divided by 0 there."""
    return graph.fill_past(x, x.rank, x.lengths, 1.0) if x.rank > 2 else x.name
