"""What goes from call to call of a stream: each state is an input of the graph, and an output of what comes after."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from lamina.core.layer import Layer
from lamina.errors import ExportError
from lamina.onnx.graph import Graph

__all__ = ["State", "States"]


class State(NamedTuple):
    """One state.

    Attributes
    ----------
    name : str
        Of the input, and of the output but for its end.
    shape : tuple of int or None
        None is an open size.
    dtype : str
    after : str
        The name in the graph of what goes on to the next call.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: str
    after: str


class States:
    """The states of the layers of a model, in the order in which they are called, as `Stream` has them."""

    def __init__(self) -> None:
        self.all: list[State] = []
        self._open: list[tuple[str, tuple[int | None, ...], str]] = []

    def has(self, graph: Graph, layer: Layer) -> bool:
        """Tell whether a layer has any states of its own, in the graph of the stream."""
        return graph.outer is None and bool(flat(layer.stream_state(1)))

    def before(self, graph: Graph, layer: Layer) -> tuple[str, ...]:
        """Return the names of a layer's states before the call."""
        if graph.outer is not None:  # a cell's are its layer's
            return ()
        self._open = []
        for part in flat(layer.stream_state(2)):
            counts = isinstance(part, np.ndarray) and part.dtype.kind == "i"
            shape = tuple(None if axis == 0 or not size else int(size) for axis, size in enumerate(part.shape))
            number = len(self.all) + len(self._open)
            name = f"state_{number}.{layer.path}" if layer.path else f"state_{number}"
            self._open.append((name, shape, "int64" if counts else graph.dtype))
        return tuple(name for name, _, _ in self._open)

    def after(self, layer: Layer, names: Any) -> None:
        """Take the names of a layer's states after the call."""
        if len(names) < len(self._open):
            raise ExportError(f"{layer.label}: expected {len(self._open)} states of its translation, got {len(names)}")
        self.all += [State(*one, after) for one, after in zip(self._open, names, strict=False)]
        self._open = []


def flat(state: Any) -> list[Any]:
    """Return the arrays of a state of tuples in tuples."""
    if isinstance(state, tuple):
        return [part for one in state for part in flat(one)]
    return [] if state is None else [state]
