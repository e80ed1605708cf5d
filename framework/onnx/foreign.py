"""Files of other programs: their nodes are followed, and each that computes something becomes a layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from lamina.backends import Backend
from lamina.compose.sequential import Sequential
from lamina.core.layer import Layer
from lamina.core.shapes import Shape
from lamina.errors import CheckpointError
from lamina.files.printable import printable
from lamina.onnx.operators import READERS
from lamina.onnx.reading import Known, Lengths, Live, Node, NumpyArray, Reading, Unfit
from lamina.onnx.wiring import OnnxGraph

__all__ = ["read_foreign"]


def read_foreign(file: Any, found: Mapping[str, NumpyArray], backend: str | Backend | None, dtype: str | None) -> Layer:
    """Return the model of a file that another program wrote.

    Raises
    ------
    CheckpointError
        Names the first node of which there is no layer.
    """
    inputs = [one for one in file.graph.input if one.name not in found]
    problems: list[Unfit] = []
    for axes in product(*[list(_readings(one)) for one in inputs]):
        try:
            return _read(file.graph, inputs, axes, found, backend, dtype)
        except Unfit as error:
            problems.append(error)
    # The one that came furthest took the inputs' axes as they are meant.
    raise CheckpointError(f"cannot be read: {max(problems, key=lambda one: one.place, default='it has no inputs')}")


def _readings(port: Any) -> Iterator[str]:
    """Yield what the axes of an input may be, the likeliest first."""
    kind, sizes = port.type.tensor_type.elem_type, port.type.tensor_type.shape.dim
    integers, rank = kind in (6, 7), len(sizes)  # 32 or 64 bits
    if integers:
        yield from {1: ("lengths",), 2: ("bt", "tb")}.get(rank, ())
    elif rank == 3:
        yield from ("btf", "tbf") if sizes[0].dim_value != 1 else ("btf", "tbf", "1bf")
    elif rank == 2:
        yield "bf"


def _read(
    graph: Any,
    inputs: Sequence[Any],
    axes: Sequence[str],
    found: Mapping[str, NumpyArray],
    backend: str | Backend | None,
    dtype: str | None,
) -> Layer:
    values: dict[str, Any] = {name: Known(array) for name, array in found.items()}
    shapes: list[Shape] = []
    kind = "float32"
    for port, own in zip(inputs, axes, strict=True):
        if own == "lengths":
            values[port.name] = Lengths()
            continue
        features = int(port.type.tensor_type.shape.dim[-1].dim_value) if "f" in own else 0
        if "f" in own and features < 1:
            raise Unfit(f"input {printable(port.name)!r} has no fixed number of features")
        values[port.name] = Live(len(shapes), own, features)
        shapes.append(((None, None) if "t" in own else (None,)) + ((features,) if "f" in own else ()))
        kind = "float64" if port.type.tensor_type.elem_type == 11 else kind
    reading = Reading(graph, values, len(shapes))
    for place, proto in enumerate(graph.node):
        node = Node(proto, [values.get(name) if name else None for name in proto.input])
        if proto.op_type not in READERS or proto.domain not in ("", "ai.onnx"):
            raise CheckpointError(f"node {printable(node.name)!r}: there is no layer for {printable(node.operator)}")
        try:
            given = READERS[proto.op_type](reading, node)
        except Unfit as error:
            raise Unfit(f"node {printable(node.name)!r}, {node.operator}: {error}", place) from error
        for name, value in zip(proto.output, given if isinstance(given, list) else [given], strict=False):
            values[name] = value
    model = _assembled(reading, len(shapes))
    model.build(*shapes, backend=backend, dtype=dtype or kind)
    for layer, weights in reading.weights:
        for path, array in weights.items():
            owner: Any = layer
            *inner, last = path.split("__")
            for name in inner:
                owner = getattr(owner, name)
            getattr(owner, last).data = array
    return model


def _assembled(reading: Reading, inputs: int) -> Layer:
    """Return a chain where there is one, otherwise the graph."""
    outputs: list[int] = []
    for one in reading.graph.output:
        value = reading.values.get(one.name)
        if not isinstance(value, Live) or value.ordered or value.number in outputs:
            raise Unfit(f"its output {printable(one.name)!r} is not what a layer gives", len(reading.graph.node))
        outputs.append(value.number)
    if not reading.layers:
        raise Unfit("it has no layers", len(reading.graph.node))
    chain = [[place, place] for place in range(len(reading.steps))]
    if inputs == 1 and reading.steps == chain and reading.count == len(chain) + 1 and outputs == [len(chain)]:
        return reading.layers[0] if len(chain) == 1 else Sequential(*reading.layers)
    return OnnxGraph(reading.layers, reading.steps, outputs)
