"""What a layer's streaming is wrapped in, and which layers take each step by itself, without a state."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from lamina.core.calls import running, takes
from lamina.core.inputs import check_inputs
from lamina.core.lengths import read_lengths
from lamina.core.shapes import show
from lamina.core.tree import Tree
from lamina.errors import ShapeError, StreamError

__all__ = ["guarded_beginning", "refuse_training", "refusing_stream", "require_steps_alone"]


def refusing_stream(stream_state: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a layer's stream_state, or open_stream: a class whose forward the stream does not belong to is refused."""

    @wraps(stream_state)
    def wrapper(self: Any, batch: int, *whole: tuple[bool, ...]) -> Any:
        if not self._streams_itself:
            raise StreamError(f"{self.label}: cannot stream: it defines forward, but neither stream nor step to match")
        return stream_state(self, batch, *whole)

    return wrapper


def guarded_beginning(begin_stream: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a layer's begin_stream: what is given whole must fit, and layers behave as outside of training."""

    @wraps(begin_stream)
    def wrapper(self: Any, *inputs: Any, lengths: Any = None) -> Any:
        if not running.streaming:
            check_inputs(self, inputs, partly=True)
        if lengths is not None:
            lengths = read_lengths(self, lengths, inputs)
        running.inferring += 1
        try:
            return begin_stream(self, *inputs, lengths=lengths)
        finally:
            running.inferring -= 1

    return wrapper


def refuse_training(layer: Any, training: bool) -> None:
    """Raise `StreamError` in training: no gradient would flow into what was given whole at the start."""
    if training:
        raise StreamError(f"{layer.label}: cannot train in a stream that was given an input whole")


def require_steps_alone(layer: Any) -> None:
    """Raise `StreamError` unless a layer surely takes each step by itself.

    That is so where padding does not matter to it, it holds no other layers, and it leaves the time axis as it is.
    """
    label = layer.label
    if layer.children():
        for child in layer.children().values():
            child.stream_state(1)  # says more, where it is a layer within that cannot
        raise StreamError(f"{label}: cannot stream: it defines no stream_state and stream for the layers in it")
    if type(layer).output_lengths is not Tree.output_lengths:
        raise StreamError(f"{label}: cannot stream: it defines output_lengths, but no stream_state and stream")
    if takes(type(layer).forward, "lengths", anything=False) and layer._heeds_lengths():
        raise StreamError(
            f"{label}: cannot stream: its forward takes lengths, but it defines no stream_state and stream"
        )
    timed = 2 if layer.takes_integers else 3
    opened = [(None, None, *shape[2:]) if len(shape) >= timed else shape for shape in layer.input_shapes]
    try:
        layer.build(*opened)  # the parameters stay: this only asks
    except ShapeError as error:
        raise StreamError(f"{label}: cannot stream: it needs a fixed time axis") from error
    output: Any = layer.output_shape
    for shape in layer.input_shapes:
        several = isinstance(output[0], tuple)
        same = not several and (len(shape) < 3 or len(output) < 3 or output[1] == shape[1])
        grown = not several and len(output) > len(shape) and not layer.takes_integers
        if not same or grown or (len(shape) > 2 and len(output) < 3):
            raise StreamError(f"{label}: cannot stream: it makes {show(output)} of {show(shape)}")
