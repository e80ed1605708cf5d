"""Which layer is said how: a function for each class, and the one that calls them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from lamina.core.layer import Layer
from lamina.core.lengths import lengths_after
from lamina.core.lowering import defined_by
from lamina.core.shapes import as_tuple
from lamina.errors import ArgumentError, ExportError, shown
from lamina.onnx.graph import Graph, Tensor
from lamina.onnx.states import States

__all__ = ["call", "require_translated", "translates", "translation_of"]

F = TypeVar("F", bound=Callable[..., Any])


class Translation(NamedTuple):
    """How the layers of a class are said.

    Attributes
    ----------
    function : callable
    streams : bool
        Whether it takes states, and gives those after.
    unless : frozenset of str or None
        What a class below may not define, to be said the same way; None for anything that it does.
    """

    function: Callable[..., Any]
    streams: bool
    unless: frozenset[str] | None


_known: dict[type, Translation] = {}
# What classes below may define all the same: it has no part in what a layer gives.
_UNUSED = {"backward", "lower", "config", "run_backward", "gradients", "_input_names", "_kept", "_transient"}
_HIDING = ("forward", "infer", "run", "step", "kernel", "compose")


def translates(cls: type[Layer], *, streams: bool = False, unless: Collection[str] | None = None) -> Callable[[F], F]:
    """Decorate a function that says in ONNX's operators what the layers of a class do, outside of training.

    It is called as ``function(graph, layer, *inputs)``, with a `Graph` and a `Tensor` for each input, and returns the
    name of its output, or a tuple of names of several. Where an output has other lengths than the first input, it is to
    be a `Tensor`. What lies past a row's end is never to be mixed into what does not: ``graph.fill_past(x, rank,
    lengths)`` makes it 0. A class below is said the same way where it defines nothing but ``__init__`` and
    ``backward``.

    Parameters
    ----------
    cls : type
        A layer's class, ours or not: a later function takes the place of an earlier one.
    streams : bool
        Whether the function is called as ``function(graph, layer, states, *inputs)`` and returns its outputs and the
        states after: ``states`` are the names of what ``layer.stream_state`` gives, none outside of a stream.
    unless : collection of str, optional
        If given, a class below may define anything but these.

    Examples
    --------
    >>> import lamina
    >>> class Square(lamina.Layer):
    ...     def build(self, shape):
    ...         return shape
    ...     def forward(self, x):
    ...         return x * x, x
    >>> @lamina.onnx.translates(Square)
    ... def square(graph, layer, x):
    ...     return graph.add("Mul", x, x)
    """
    if not (isinstance(cls, type) and issubclass(cls, Layer)):
        raise ArgumentError(f"translates: expected a class of layers, got {shown(cls)}")

    def note(function: F) -> F:
        _known[cls] = Translation(function, streams, None if unless is None else frozenset(unless))
        return function

    return note


def translation_of(layer: Layer) -> Translation | None:
    """Return how a layer is said; None where nobody said it, or where its class changes what it does."""
    if any(callable(vars(layer).get(name)) for name in _HIDING):
        return None
    changed: set[str] = set()
    for cls in type(layer).__mro__:
        if cls in _known:
            found = _known[cls]
            wrong = changed - _UNUSED if found.unless is None else changed & found.unless
            return None if wrong else found
        changed |= defined_by(cls)
    return None


def require_translated(layer: Layer) -> Translation:
    """Return how a layer is said.

    Raises
    ------
    ExportError
        If nobody said it.
    """
    found = translation_of(layer)
    if found is None:
        name = type(layer).__name__
        raise ExportError(
            f"{layer.label}: cannot be said in ONNX: give it a translation, by lamina.onnx.translates({name})"
        )
    return found


def call(graph: Graph, layer: Layer, *inputs: Tensor) -> Any:
    """Add what a layer does to a graph: for a translation of what holds other layers, or a cell.

    Parameters
    ----------
    graph : Graph
    layer : Layer
    *inputs : Tensor

    Returns
    -------
    Tensor, or a tuple of them
        With their shapes and lengths.

    Raises
    ------
    ExportError
        If it has no translation.
    """
    translation = require_translated(layer)
    before, graph.path = graph.path, layer.path
    states: States | None = graph.root.states
    if translation.streams:
        taken = () if states is None else states.before(graph, layer)
        given, after = translation.function(graph, layer, taken, *inputs)
        if states is not None:
            states.after(layer, after)
    else:
        if states is not None and translation.unless is None and states.has(graph, layer):
            raise ExportError(f"{layer.label}: has states in a stream: its translation must take them, by streams=True")
        given = translation.function(graph, layer, *inputs)
    graph.path = before
    return _whole(layer, inputs, given)


def _whole(layer: Layer, inputs: Sequence[Tensor], given: Any) -> Any:
    """Return outputs as tensors, where the translation gave their names alone."""
    each = as_tuple(given) if not isinstance(given, Tensor) else (given,)
    if all(isinstance(one, Tensor) for one in each):
        return given
    shapes: Any = tuple(x.shape for x in inputs)
    shapes = layer.output_shape if shapes == layer.input_shapes else layer.build(*shapes)
    several = isinstance(shapes[0], tuple)
    known = shapes if several else (shapes,)
    if len(known) != len(each):
        raise ExportError(f"{layer.label}: expected {len(known)} outputs of its translation, got {len(each)}")
    lengths = _lengths(layer, inputs, len(known))
    pairs = zip(each, known, lengths, strict=True)
    made = tuple([one if isinstance(one, Tensor) else Tensor(one, shape, own) for one, shape, own in pairs])
    return made if several else made[0]


def _lengths(layer: Layer, inputs: Sequence[Tensor], count: int) -> tuple[str | None, ...]:
    """Return the lengths of each output, where they are some input's, or none."""
    if all(x.lengths is None for x in inputs):
        return (None,) * count
    # Told apart by numbers that no other input has.
    marks = [None if x.lengths is None else np.arange(1, 50) + 100 * place for place, x in enumerate(inputs)]
    after = lengths_after(layer, tuple(marks) if len(marks) > 1 else marks[0])
    found: list[str | None] = []
    for one in after if isinstance(after, tuple) else (after,) * count:
        place = 0 if one is None else int(one[0]) // 100
        if one is not None and (place >= len(marks) or not np.array_equal(one, marks[place])):  # type: ignore[arg-type]
            raise ExportError(f"{layer.label}: its translation must tell the lengths of its outputs, by a Tensor")
        found.append(None if one is None else inputs[place].lengths)
    return tuple(found)
