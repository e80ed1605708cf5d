"""Normalization: over features, over steps, over groups, by running and by measured statistics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.core.parameter import Parameter
from lamina.layers import BatchNorm, GroupNorm, LayerNorm, RMSNorm, Standardize
from lamina.onnx.graph import Graph, Tensor
from lamina.onnx.translation import translates

__all__ = ["normalized"]


def normalized(graph: Graph, x: Any, scale: str | None, shift: str | None, epsilon: float, units: int) -> str:
    """Return x with mean 0 and deviation 1 over its features, scaled and shifted."""
    if graph.dtype == "float32" and units > 1:  # which some versions of ONNX Runtime want
        scale = graph.constant(np.ones(units)) if scale is None else scale
        return graph.add("LayerNormalization", x, scale, shift, axis=-1, epsilon=epsilon)
    # An attribute is in single precision, and so would epsilon be.
    centred = graph.add("Sub", x, graph.add("ReduceMean", x, [-1]))
    variance = graph.add("ReduceMean", graph.add("Mul", centred, centred), [-1])
    n = graph.add("Div", centred, graph.chain(variance, ("Add", epsilon), ("Sqrt",)))
    n = n if scale is None else graph.add("Mul", n, scale)
    return n if shift is None else graph.add("Add", n, shift)


def _scaled(graph: Graph, n: str, scale: Parameter | None, shift: Parameter | None, sizes: Sequence[int] = ()) -> str:
    """Return n scale + shift, each reshaped where sizes are given."""
    for operator, one in (("Mul", scale), ("Add", shift)):
        if one is not None:
            values = graph.weight(one)
            n = graph.add(operator, n, graph.add("Reshape", values, list(sizes)) if sizes else values)
    return n


@translates(LayerNorm)
def _layer_norm(graph: Graph, layer: LayerNorm, x: Tensor) -> str:
    scale, shift = layer.scale, layer.shift
    if layer.axis == -1:
        first, second = (None if one is None else graph.weight(one) for one in (scale, shift))
        return normalized(graph, x, first, second, layer.epsilon, x.shape[-1] or 0)
    axes = layer.axes_of(x.shape)
    sizes = [int(x.shape[axis] or 0) if axis in axes else 1 for axis in range(x.rank)]
    y = _over(graph, x.name, x.rank, axes, x.lengths, layer.epsilon)
    y = _scaled(graph, y, scale, shift, sizes)
    return y if shift is None else graph.fill_past(y, x.rank, x.lengths)


@translates(GroupNorm)
def _group_norm(graph: Graph, layer: GroupNorm, x: Tensor) -> str:
    own = (x.shape[-1] or 0) // layer.groups
    apart = graph.add("Reshape", x, [0] * (x.rank - 1) + [layer.groups, own])
    axes = (*range(1, x.rank - 1), x.rank)
    y = _over(graph, apart, x.rank + 1, axes, x.lengths, layer.epsilon)
    y = _scaled(graph, y, layer.scale, layer.shift, [layer.groups, own])
    y = y if layer.shift is None else graph.fill_past(y, x.rank + 1, x.lengths)
    return graph.add("Reshape", y, [0] * (x.rank - 1) + [layer.groups * own])


def _over(graph: Graph, x: str, rank: int, axes: Sequence[int], lengths: str | None, epsilon: float) -> str:
    """Return x with mean 0 and deviation 1 over axes; of the steps, over those that are valid."""
    x, along = graph.fill_past(x, rank, lengths), list(axes)
    ends = lengths if 1 in axes else None
    if ends is None:
        sizes = graph.chain(graph.add("Shape", x), ("Gather", along))
        count = graph.add("ReduceProd", sizes, keepdims=0)
    else:
        others = [axis for axis in along if axis != 1]
        each = graph.add("ReduceProd", graph.add("Gather", graph.add("Shape", x), others), keepdims=0) if others else 1
        count = graph.add("Unsqueeze", graph.add("Mul", ends, each), list(range(1, rank)))
    count = graph.cast(graph.add("Max", count, 1))
    mean = graph.add("Div", graph.add("ReduceSum", x, along), count)
    centred = graph.fill_past(graph.add("Sub", x, mean), rank, ends)
    squares = graph.add("ReduceSum", graph.add("Mul", centred, centred), along)
    deviation = graph.chain(squares, ("Div", count), ("Add", epsilon), ("Sqrt",))
    return graph.add("Div", centred, deviation)


@translates(RMSNorm)
def _rms_norm(graph: Graph, layer: RMSNorm, x: Tensor) -> str:
    mean = graph.add("ReduceMean", graph.add("Mul", x, x), [-1])
    n = graph.add("Div", x, graph.chain(mean, ("Add", layer.epsilon), ("Sqrt",)))
    return _scaled(graph, n, layer.scale, None)


@translates(BatchNorm)
def _batch_norm(graph: Graph, layer: BatchNorm, x: Tensor) -> str:
    mean, variance = graph.weight(layer.running_mean), graph.weight(layer.running_variance)
    deviation = graph.chain(variance, ("Add", layer.epsilon), ("Sqrt",))
    n = graph.add("Div", graph.add("Sub", x, mean), deviation)
    return graph.fill_past(_scaled(graph, n, layer.scale, layer.shift), x.rank, x.lengths)


@translates(Standardize)
def _standardize(graph: Graph, layer: Standardize, x: Tensor) -> str:
    less = graph.chain(x, ("Sub", graph.weight(layer.mean)), ("Sub", graph.weight(layer.mean_rest)))
    y = graph.add("Div", less, graph.weight(layer.deviation))
    return graph.fill_past(y, x.rank, x.lengths)
