"""What moves elements about: flattening, reshaping, slices, single steps, parts."""

from __future__ import annotations

from string import ascii_letters
from typing import Any

import numpy as np

from lamina.errors import ExportError
from lamina.kinds.slicing import is_time, stays_within
from lamina.layers import Flatten, LastStep, Permute, RepeatVector, Reshape, Select, Slice, Split
from lamina.onnx.graph import Graph, Tensor
from lamina.onnx.translation import translates

__all__ = ["pick_steps"]

_MOST = 2**63 - 1


@translates(Flatten)
def _flatten(graph: Graph, layer: Flatten, x: Tensor) -> str:
    return graph.add("Reshape", x, [0, int(np.prod([size or 0 for size in x.shape[1:]]))])


@translates(Reshape)
def _reshape(graph: Graph, layer: Reshape, x: Tensor) -> str:
    return graph.add("Reshape", x, [0, *layer.shape])


@translates(Permute)
def _permute(graph: Graph, layer: Permute, x: Tensor) -> str:
    if graph.dtype == "float64" and x.rank < len(ascii_letters) and not x.integers:
        # Some versions of ONNX Runtime cannot multiply what a Transpose gives in double precision.
        letters = ascii_letters[: x.rank]
        turned = "".join(letters[axis] for axis in (0, *layer.axes))
        return graph.add("Einsum", x, equation=f"{letters}->{turned}")
    return graph.add("Transpose", x, perm=[0, *layer.axes])


@translates(RepeatVector)
def _repeat_vector(graph: Graph, layer: RepeatVector, x: Tensor) -> str:
    return graph.add("Tile", graph.add("Unsqueeze", x, [1]), [1, layer.count, 1])


@translates(Split)
def _split(graph: Graph, layer: Split, x: Tensor) -> tuple[Tensor, ...]:
    axis, sizes = layer.axis % x.rank, layer._sizes(x.shape)
    names = graph.add_several("Split", len(sizes), x, list(sizes), axis=axis)
    given, start = [], 0
    for name, size in zip(names, sizes, strict=True):
        lengths = x.lengths
        if lengths is not None and is_time(layer, x.rank, layer.axis):
            lengths = graph.chain(lengths, ("Sub", start), ("Clip", 0, size))
        given.append(Tensor(name, (*x.shape[:axis], size, *x.shape[axis + 1 :]), lengths, x.integers))
        start += size
    return tuple(given)


@translates(LastStep, streams=True)
def _last_step(graph: Graph, layer: LastStep, states: Any, x: Tensor) -> tuple[Any, Any]:
    y = _step(graph, x, -1)
    if states and x.lengths is not None:  # a row without new steps has its last one still
        had = graph.add("Greater", graph.column(x.lengths), 0)
        y = graph.add("Where", had, y, states[0])
    return y, (y,)


@translates(Select, streams=True)
def _select(graph: Graph, layer: Select, states: Any, x: Tensor) -> tuple[Any, Any]:
    axis = layer.axis % x.rank
    if not is_time(layer, x.rank, layer.axis):
        if x.rank == 3 and x.lengths is not None:
            raise ExportError(
                f"{layer.label}: cannot take features away of rows that differ in length: export it with lengths=False"
            )
        return _tensor(layer, x, axis, graph.add("Gather", x, layer.index, axis=axis), x.lengths), ()
    if not states:
        return _tensor(layer, x, axis, _step(graph, x, layer.index), None), ()
    counts, kept = states
    had = graph.full_lengths(x) if x.lengths is None else x.lengths
    first = graph.add("Sub", had, 1) if layer.index < 0 else graph.add("Sub", layer.index, counts)
    inside = graph.add("And", graph.add("GreaterOrEqual", first, 0), graph.add("Less", first, had))
    y = pick_steps(graph, x, graph.column(first), graph.column(inside))
    y = graph.add("Squeeze", y, [1])
    chosen = graph.add("Where", _wide(graph, inside, x.rank - 1), y, kept)
    return _tensor(layer, x, axis, chosen, None), (graph.add("Add", counts, had), chosen)


def _wide(graph: Graph, rows: str, rank: int) -> str:
    return graph.add("Unsqueeze", rows, list(range(1, rank)))


def _tensor(layer: Select, x: Tensor, axis: int, name: str, lengths: str | None) -> Tensor:
    shape = (*x.shape[:axis], *x.shape[axis + 1 :])
    return Tensor(name, shape, lengths if len(shape) > 2 else None, x.integers)


def _step(graph: Graph, x: Tensor, index: int) -> str:
    """Return a step of each row, counted from its end where it is negative; 0 where there is none."""
    lengths = graph.full_lengths(x) if x.lengths is None else x.lengths
    first = graph.add("Add", lengths, index) if index < 0 else graph.add("Expand", index, graph.size(lengths, 0))
    inside = graph.add("And", graph.add("GreaterOrEqual", first, 0), graph.add("Less", first, lengths))
    return graph.add("Squeeze", pick_steps(graph, x, graph.column(first), graph.column(inside)), [1])


def pick_steps(graph: Graph, x: Any, places: str, inside: str) -> str:
    """Return the steps of x (batch, time, ...) at places (batch, number), and 0 where they are not ``inside``."""
    name, rank = graph.name_of(x), x.rank
    zero = 0 if x.integers else 0.0
    more = graph.add("Pad", name, [0] * (rank + 1) + [1] + [0] * (rank - 2), zero)  # a step of zeros behind the last
    taken = graph.add("Where", inside, places, graph.size(name, 1))
    return graph.add("GatherND", more, graph.add("Unsqueeze", taken, [2]), batch_dims=1)


@translates(Slice)
def _slice(graph: Graph, layer: Slice, x: Tensor) -> Tensor:
    axis, size = layer.axis % x.rank, x.shape[layer.axis]
    shape = (*x.shape[:axis], None if size is None else layer._left(size), *x.shape[axis + 1 :])
    start, stop, step = layer.start, layer.stop, layer.step
    if x.lengths is None or not is_time(layer, x.rank, axis):
        return Tensor(_sliced(graph, x, axis, start, stop, step), shape, x.lengths, x.integers)
    if not stays_within(start, stop, step):
        raise ExportError(
            f"{layer.label}: cannot take [{layer._text()}] of rows that differ in length: export it with lengths=False"
        )
    first, counts = _bounds(graph, start, stop, step, x.lengths)
    if step > 0 and (start or 0) >= 0:
        name = graph.fill_past(_sliced(graph, x, axis, start, stop, step), x.rank, counts, 0 if x.integers else 0.0)
        return Tensor(name, shape, counts, x.integers)
    number = _bounds(graph, start, stop, step, graph.size(x, 1))[1]
    places = graph.add("Unsqueeze", graph.steps(number), [0])
    inside = graph.add("Less", places, graph.column(counts))
    taken = graph.add("Add", graph.column(first), graph.add("Mul", places, step))
    return Tensor(pick_steps(graph, x, taken, inside), shape, counts, x.integers)


def _sliced(graph: Graph, x: Tensor, axis: int, start: int | None, stop: int | None, step: int) -> str:
    ends = (0, _MOST) if step > 0 else (_MOST, -_MOST)
    bounds = [end if one is None else one for one, end in zip((start, stop), ends, strict=True)]
    return graph.add("Slice", x, [bounds[0]], [bounds[1]], [axis], [step])


def _bounds(graph: Graph, start: int | None, stop: int | None, step: int, lengths: str) -> tuple[str, str]:
    """Return the first step that a slice takes of rows of lengths, and how many; see `lamina.kinds.slicing`."""
    ahead = step > 0
    least = 0 if ahead else -1
    most = lengths if ahead else graph.add("Sub", lengths, 1)

    def bound(value: int | None, otherwise: Any) -> Any:
        if value is None:
            return otherwise
        if value < 0:
            return graph.add("Max", graph.add("Add", lengths, value), least)
        return graph.add("Min", most, value)

    none = graph.add("Mul", lengths, 0)
    first = graph.add("Add", none, bound(start, least if ahead else most))
    span = graph.add("Mul", graph.add("Sub", bound(stop, most if ahead else least), first), 1 if ahead else -1)
    # Rounded up, of what is 0 or more.
    counts = graph.chain(span, ("Max", 0), ("Add", abs(step) - 1), ("Div", abs(step)))
    return first, counts
