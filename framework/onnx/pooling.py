"""Pooling: over windows of steps, and over all steps of a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.kinds.pooling import Pooling
from lamina.kinds.window import sides
from lamina.layers import AveragePool1D, GlobalAveragePool1D, GlobalMaxPool1D, MaxPool1D
from lamina.onnx.graph import Graph, Tensor
from lamina.onnx.translation import translates
from lamina.onnx.windows import before_of, carried, counted, output_of, window_steps

__all__: list[str] = []

_LEAST = -np.inf


@translates(MaxPool1D, streams=True)
def _max_pool(graph: Graph, layer: MaxPool1D, states: Sequence[str], x: Tensor) -> tuple[Tensor, Sequence[str]]:
    if states:
        joined, begun, after = _begun(graph, layer, states, x)
        known = graph.add("Where", graph.add("Unsqueeze", begun, [2]), joined, _LEAST)
        known = graph.fill_past(known, 3, joined.lengths, _LEAST)
        y = graph.add("Max", *window_steps(graph, known, 3, graph.size(x, 1), layer, 0, _LEAST))
        return output_of(graph, layer, x, y, x.lengths, x.shape[-1]), after
    number, lengths = counted(graph, layer, x)
    entering = graph.fill_past(x, 3, x.lengths, _LEAST)
    y = graph.add("Max", *window_steps(graph, entering, 3, number, layer, before_of(layer), _LEAST))
    if layer.dilation > 1:  # a window may lie beside all steps
        y = graph.add("Where", graph.add("Equal", _places(graph, layer, x, number), 0.0), 0.0, y)
    return output_of(graph, layer, x, y, lengths, x.shape[-1]), ()


@translates(AveragePool1D, streams=True)
def _average_pool(graph: Graph, layer: AveragePool1D, states: Sequence[str], x: Tensor) -> tuple[Tensor, Sequence[str]]:
    if states:
        joined, begun, after = _begun(graph, layer, states, x)
        number = graph.size(x, 1)
        total = _sum(graph, window_steps(graph, graph.fill_past(joined, 3, joined.lengths), 3, number, layer, 0, 0.0))
        count: Any = float(layer.pool)
        if not layer.count_padding:
            ones = graph.cast(graph.add("Unsqueeze", begun, [2]))
            count = graph.add("Max", _sum(graph, window_steps(graph, ones, 3, number, layer, 0, 0.0)), 1.0)
        return output_of(graph, layer, x, graph.add("Div", total, count), x.lengths, x.shape[-1]), after
    number, lengths = counted(graph, layer, x)
    entering = graph.fill_past(x, 3, x.lengths)
    total = _sum(graph, window_steps(graph, entering, 3, number, layer, before_of(layer), 0.0))
    count = graph.add("Max", _places(graph, layer, x, number, layer.count_padding), 1.0)
    return output_of(graph, layer, x, graph.add("Div", total, count), lengths, x.shape[-1]), ()


def _begun(graph: Graph, layer: Pooling, states: Sequence[str], x: Tensor) -> tuple[Tensor, str, Sequence[str]]:
    """Return the last steps and the next ones, which of them a row has had, and the states after."""
    before, counts = states
    size = (layer.pool - 1) * layer.dilation
    joined, after = carried(graph, before, x, size)
    places = graph.add("Unsqueeze", graph.steps(graph.size(joined, 1)), [0])
    begun = graph.add("GreaterOrEqual", places, graph.column(graph.add("Sub", size, counts)))
    had = graph.full_lengths(x) if x.lengths is None else x.lengths
    return joined, begun, (after, graph.add("Add", counts, had))


def _sum(graph: Graph, parts: list[str]) -> str:
    total = parts[0]
    for one in parts[1:]:
        total = graph.add("Add", total, one)
    return total


def _places(graph: Graph, layer: Pooling, x: Tensor, number: str, padding: bool = False) -> str:
    """Return how many steps of each window are valid, or in the padding where that counts, (batch, number, 1)."""
    lengths = graph.full_lengths(x) if x.lengths is None else x.lengths
    reach, before = (layer.size - 1) * layer.dilation + 1, before_of(layer)
    time = graph.size(x, 1)
    if padding:
        after = sides(layer.padding, reach)[1]
        lengths, time = graph.add("Add", lengths, before + after), graph.add("Add", time, before + after)
    ones = graph.cast(graph.add("Unsqueeze", graph.valid(lengths, time), [2]))
    return _sum(graph, window_steps(graph, ones, 3, number, layer, 0 if padding else before, 0.0))


@translates(GlobalMaxPool1D, streams=True)
def _global_max(graph: Graph, layer: GlobalMaxPool1D, states: Any, x: Tensor) -> tuple[str, Any]:
    y = graph.add("ReduceMax", graph.fill_past(x, 3, x.lengths, _LEAST), [1], keepdims=0)
    had = None if x.lengths is None else graph.add("Greater", graph.column(x.lengths), 0)
    if not states:
        return (y if had is None else graph.add("Where", had, y, 0.0)), ()
    before, counts = states
    new = graph.full_lengths(x) if x.lengths is None else x.lengths
    begun = graph.add("Greater", graph.column(counts), 0)
    y = graph.add("Where", begun, graph.add("Max", y, before), y)
    y = y if had is None else graph.add("Where", had, y, before)
    return y, (y, graph.add("Add", counts, new))


@translates(GlobalAveragePool1D, streams=True)
def _global_average(graph: Graph, layer: GlobalAveragePool1D, states: Any, x: Tensor) -> tuple[str, Any]:
    total = graph.add("ReduceSum", graph.fill_past(x, 3, x.lengths), [1], keepdims=0)
    counts = graph.full_lengths(x) if x.lengths is None else x.lengths
    if states:
        before, had = states
        total = graph.add("Add", total, graph.add("Mul", before, graph.cast(graph.column(had))))
        counts = graph.add("Add", counts, had)
    y = graph.add("Div", total, graph.cast(graph.column(graph.add("Max", counts, 1))))
    return y, (y, counts)
