"""What slides over the steps: how many windows there are, and the steps at each place in them."""

from __future__ import annotations

from typing import Any

from lamina.kinds.window import WindowLayer, sides
from lamina.onnx.axes import pick_steps
from lamina.onnx.graph import Graph, Tensor

__all__ = ["before_of", "carried", "count_of", "counted", "output_of", "window_steps"]


def count_of(graph: Graph, layer: WindowLayer, steps: str) -> str:
    """Return how many windows there are in so many steps: `WindowLayer.output_lengths`, in ONNX."""
    padding, stride, reach = layer.padding, layer.stride, (layer.size - 1) * layer.dilation + 1
    if padding in ("same", "causal"):
        return graph.chain(steps, ("Add", stride - 1), ("Div", stride))
    before, after = sides(padding, 1)
    room = graph.chain(steps, ("Add", before + after - reach + (stride - 1 if layer.ceil else 0)))
    # What is less than 0 is divided towards it: one stride more than it can be below keeps it above.
    count = graph.chain(room, ("Add", stride), ("Max", 0), ("Div", stride))
    if layer.ceil:
        late = graph.add(
            "GreaterOrEqual", graph.chain(count, ("Sub", 1), ("Mul", stride)), graph.add("Add", steps, before)
        )
        count = graph.add("Sub", count, graph.cast(late, "int64"))
    if before + after or layer.ceil:
        count = graph.add("Where", graph.add("Greater", steps, 0), graph.add("Max", count, 0), 0)
    return count


def counted(graph: Graph, layer: WindowLayer, x: Tensor) -> tuple[str, str | None]:
    """Return the number of windows, and the lengths of the output."""
    number = count_of(graph, layer, graph.size(x, 1))
    return number, None if x.lengths is None else count_of(graph, layer, x.lengths)


def window_steps(graph: Graph, x: Any, rank: int, number: str, layer: Any, before: int, fill: Any) -> list[str]:
    """Return, for each place in a window, the step there of all windows; filled beside the sequence."""
    stride, dilation, reach = layer.stride, layer.dilation, (layer.size - 1) * layer.dilation + 1
    after = max(reach, sides(layer.padding, reach)[1]) + stride
    pads = [0, before] + [0] * (rank - 2) + [0, after] + [0] * (rank - 2)
    padded = graph.add("Pad", x, pads, fill)
    span = graph.add("Mul", number, stride)
    found = []
    for index in range(layer.size):
        first = index * dilation
        found.append(graph.add("Slice", padded, [first], graph.add("Add", span, first), [1], [stride]))
    return found


def before_of(layer: Any) -> int:
    """Return how many steps of the first window lie before the sequence."""
    return 0 if layer.padding == "valid" else sides(layer.padding, (layer.size - 1) * layer.dilation + 1)[0]


def output_of(graph: Graph, layer: Any, x: Tensor, y: str, lengths: str | None, features: int | None) -> Tensor:
    """Return an output of so many features, 0 past each row's end."""
    shape = layer.window_shape(x.shape, features)
    return Tensor(graph.fill_past(y, 3, lengths), shape, lengths)


def carried(graph: Graph, before: str, x: Tensor, size: int) -> tuple[Tensor, str]:
    """Return a stream's last steps with the next ones behind them, and those that are the last ones then."""
    name = graph.add("Concat", before, x, axis=1)
    lengths = None if x.lengths is None else graph.add("Add", x.lengths, size)
    joined = Tensor(name, (None, None, x.shape[-1]), lengths)
    ends = graph.full_lengths(x) if x.lengths is None else x.lengths
    places = graph.add("Add", graph.column(ends), list(range(size)))
    return joined, pick_steps(graph, joined, places, graph.add("GreaterOrEqual", places, 0))
