"""Convolutions over the steps, and transposed ones.

ONNX Runtime convolves in single precision alone: in double precision a window's steps are put side by side, and are
multiplied by the weights, as the backends do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.kinds.window import sides
from lamina.layers import Conv1D, Conv1DTranspose
from lamina.onnx.graph import Graph, Tensor
from lamina.onnx.translation import translates
from lamina.onnx.windows import before_of, carried, counted, output_of, window_steps

__all__: list[str] = []

NumpyArray = np.ndarray[Any, Any]


@translates(Conv1D, streams=True)
def _conv1d(graph: Graph, layer: Conv1D, states: Sequence[str], x: Tensor) -> tuple[Tensor, Sequence[str]]:
    if states:
        size = before_of(layer)
        joined, after = carried(graph, states[0], x, size)
        y = _convolved(graph, layer, joined, (0, 0), graph.size(x, 1))
        return output_of(graph, layer, x, y, x.lengths, layer.units), (after,)
    number, lengths = counted(graph, layer, x)
    y = _convolved(graph, layer, x, sides(layer.padding, (layer.size - 1) * layer.dilation + 1), number)
    return output_of(graph, layer, x, y, lengths, layer.units), ()


def _convolved(graph: Graph, layer: Conv1D, x: Tensor, pads: tuple[int, int], number: str) -> str:
    entering = graph.fill_past(x, 3, x.lengths)
    if graph.dtype == "float32":
        # ONNX Runtime refuses a sequence that no window fits in: there is one more, which is left out again.
        least = (layer.size - 1) * layer.dilation - pads[0]
        w = graph.arranged(f"{layer.w.name}.kernel", lambda w: np.ascontiguousarray(w.transpose(2, 1, 0)), layer.w)
        y = graph.add(
            "Conv",
            graph.add("Transpose", entering, perm=[0, 2, 1]),
            w,
            None if layer.b is None else graph.weight(layer.b),
            kernel_shape=[layer.size],
            strides=[layer.stride],
            dilations=[layer.dilation],
            group=layer.groups,
            pads=[pads[0], max(pads[1], least)],
        )
        y = graph.add("Transpose", y, perm=[0, 2, 1])
        return graph.add("Slice", y, [0], number, [1]) if least > pads[1] else y
    steps = window_steps(graph, entering, 3, number, layer, pads[0], 0.0)
    y = _multiplied(graph, layer, steps, x.shape[-1] or 0)
    return y if layer.b is None else graph.add("Add", y, graph.weight(layer.b))


def _multiplied(graph: Graph, layer: Any, steps: list[str], features: int, transposed: bool = False) -> str:
    """Return windows times weights, a group of features and units at a time."""
    own, units, found = features // layer.groups, layer.units // layer.groups, []
    for group in range(layer.groups):

        def arrange(w: NumpyArray, group: int = group) -> NumpyArray:
            if transposed:  # weights (size, features, own units): the first step meets the last weight
                return w[::-1, group * own : (group + 1) * own].reshape(-1, units)
            return w[:, :, group * units : (group + 1) * units].reshape(-1, units)

        parts = [graph.add("Slice", one, [group * own], [(group + 1) * own], [2]) for one in steps]
        w = graph.arranged(f"{layer.w.name}.group_{group}", arrange, layer.w)
        found.append(graph.add("MatMul", graph.add("Concat", *parts, axis=-1), w))
    return graph.add("Concat", *found, axis=-1)


@translates(Conv1DTranspose, streams=True)
def _conv1d_transpose(
    graph: Graph, layer: Conv1DTranspose, states: Sequence[str], x: Tensor
) -> tuple[Tensor, Sequence[str]]:
    time, before = graph.size(x, 1), layer._before()
    if states:
        before = (layer.kernel_size - 1) * layer.dilation
        joined, after = carried(graph, states[0], x, before)
        y = _spread(graph, layer, joined, before, time)
        return Tensor(graph.fill_past(y, 3, x.lengths), (*x.shape[:2], layer.units), x.lengths), (after,)
    y = _spread(graph, layer, x, before, graph.add("Max", _steps(graph, layer, time), 0))
    lengths = None if x.lengths is None else graph.add("Max", _steps(graph, layer, x.lengths), 0)
    shape = (None, None if x.shape[1] is None else layer._steps(x.shape[1]), layer.units)
    return Tensor(graph.fill_past(y, 3, lengths), shape, lengths), ()


def _spread(graph: Graph, layer: Conv1DTranspose, x: Tensor, before: int, number: str) -> str:
    """Return so many of the steps that x is spread to, without those before."""
    entering, time = graph.fill_past(x, 3, x.lengths), graph.size(x, 1)
    size, stride, dilation, more = layer.kernel_size, layer.stride, layer.dilation, layer.stride + layer.output_padding
    if graph.dtype == "float32":
        w = graph.arranged(f"{layer.w.name}.kernel", lambda w: np.ascontiguousarray(w.transpose(1, 2, 0)), layer.w)
        given = graph.add("Transpose", entering, perm=[0, 2, 1])
        options: dict[str, Any] = {
            "kernel_shape": [size],
            "strides": [stride],
            "dilations": [dilation],
            "group": layer.groups,
        }
        whole = graph.add("Transpose", graph.add("ConvTranspose", given, w, **options), perm=[0, 2, 1])
    else:
        # Each step is followed by zeros, up to the next one; then it is a convolution.
        features = x.shape[-1] or 0
        apart = graph.add("Pad", graph.add("Unsqueeze", entering, [2]), [0, 0, 0, 0, 0, 0, stride - 1, 0], 0.0)
        spread = graph.add("Reshape", apart, [0, -1, features])
        reach = (size - 1) * dilation
        padded = graph.add("Pad", spread, [0, reach, 0, 0, reach, 0], 0.0)
        count = graph.add("Add", graph.add("Mul", time, stride), reach)
        steps = [
            graph.add("Slice", padded, [index * dilation], graph.add("Add", count, index * dilation), [1])
            for index in range(size)
        ]
        whole = _multiplied(graph, layer, steps, features, transposed=True)
    whole = graph.add("Pad", whole, [0, 0, 0, 0, more, 0], 0.0)
    y = graph.add("Slice", whole, [before], graph.add("Add", number, before), [1])
    return y if layer.b is None else graph.add("Add", y, graph.weight(layer.b))


def _steps(graph: Graph, layer: Conv1DTranspose, steps: str) -> str:
    if layer.padding in ("same", "causal"):
        return graph.add("Mul", steps, layer.stride)
    reach = (layer.kernel_size - 1) * layer.dilation + 1
    more = reach - layer.stride - sum(sides(layer.padding, 1)) + layer.output_padding
    count = graph.chain(steps, ("Mul", layer.stride), ("Add", more))
    return graph.add("Where", graph.add("Greater", steps, 0), count, 0)
