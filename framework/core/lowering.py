"""Lowering: what a layer says of itself so that a backend can plan it, as kernels in a row."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar

import numpy as np

from lamina.backends.program import Call, Program, Value, Weights
from lamina.core.parameter import Parameter
from lamina.core.tree import Tree

__all__ = ["Lowering", "NotPlanned", "Value", "count_arrays", "defined_by", "lowers", "own_lowering"]

Lower = TypeVar("Lower", bound=Callable[..., Any])

# What a class may define of its own and still be lowered as its base is: what makes it, describes it, or names it.
_HARMLESS = {
    *("__module__", "__qualname__", "__doc__", "__init__", "__repr__", "__firstlineno__", "__static_attributes__"),
    *("__annotations__", "__annotate_func__", "__annotations_cache__", "__parameters__", "__orig_bases__"),
    *("__abstractmethods__", "_abc_impl"),
    # What a layer's class notes of each of its subclasses.
    *("_checks_inputs", "_extends_forward", "_extends_backward", "_infers_itself", "_streams_itself"),
    "_may_leave_out_dx",
    *("__slotnames__", "__dict__", "__weakref__"),  # the first comes when an instance is copied
}


class NotPlanned(Exception):
    """Why something cannot be planned, in words for `lamina.inspect.explain`; never seen by users."""


class Lowering:
    """A program in the making, that layers add their kernels to.

    Parameters
    ----------
    program : Program
    training : bool
        Whether layers behave as in training.
    streaming : bool
        Whether the sequences go on where those of the call before ended.

    Attributes
    ----------
    program : Program
    training, streaming : bool
    tables : list of Parameter
        Whose gradients a step hands out by rows: one for each use of it.
    drawing : list of layers
        Which draw random numbers in each step, in the order in which they do.
    """

    def __init__(self, program: Program, training: bool = True, streaming: bool = False) -> None:
        self.program = program
        self.training = training
        self.streaming = streaming
        self.tables: list[Parameter] = []
        self.drawing: list[Tree] = []

    def __call__(self, layer: Tree, *values: Value) -> Value | tuple[Value, ...]:
        """Let a layer add what it does with values; return what it gives.

        Raises
        ------
        NotPlanned
            If it cannot be lowered.
        """
        lower = own_lowering(layer)
        if lower is None:
            raise NotPlanned(f"{layer.label} has no compiled form")
        before = len(self.program.states)
        given: Value | tuple[Value, ...] = lower(self, *values)
        if self.streaming and len(self.program.states) - before != count_arrays(layer.stream_state(1)):  # type: ignore[attr-defined]
            raise self.refuse(layer, "keeps what is no recurrent state")
        return given

    def state(self, size: int) -> tuple[Value, Value]:
        """Return what goes from call to call of a stream: the value that is read, and the one that is written."""
        program = self.program
        before, after = program.value(size), program.value(size)
        # In training rows are dealt to blocks, each of which keeps what is its own.
        place = None if self.training else np.zeros((program.rows, size), program.dtype)
        program.states.append((before, after, place))
        return before, after

    def refuse(self, layer: Any, reason: str) -> NotPlanned:
        """Return the exception that says why a layer, or a loss, cannot be planned."""
        return NotPlanned(f"{layer.label} {reason}")

    def weights(self, parameter: Parameter | None) -> Weights | None:
        """Return a parameter as a kernel takes it; without a gradient where it is frozen."""
        if parameter is None:
            return None
        if parameter.row_wise:
            raise NotPlanned(f"Parameter {parameter.name!r} has a gradient by rows")
        return Weights(parameter.data, parameter.read_grad() if parameter.trainable else None)

    def fixed(self, parameter: Parameter) -> Weights:
        """Return a parameter that a kernel reads, or writes, and that has no gradient of its own there."""
        return Weights(parameter.data, None)

    def value(self, like: Value, features: int | None = None) -> Value:
        """Return a new value with the lengths of another one, and its features if none are given."""
        return self.program.value(like.features if features is None else features, like.frame)

    def call(
        self,
        kernel: str,
        inputs: Sequence[Value],
        outputs: Sequence[Value],
        weights: dict[str, Parameter | Weights | None] | None = None,
        **options: Any,
    ) -> None:
        """Add a kernel, with its parameters by name."""
        own = {name: one if isinstance(one, Weights) else self.weights(one) for name, one in (weights or {}).items()}
        self.program.call(kernel, inputs, outputs, own, **options)

    def loss(
        self, kernel: str, prediction: Value, target: Value, weights: Sequence[Value] = (), **options: Any
    ) -> None:
        """Add a loss: of a prediction, a target and, where there are any, the weights of its terms."""
        if target.integers and target.frame == prediction.frame:
            self.program.bounds[target.index] = prediction.features, options.get("ignore_index")
        self.program.losses.append(Call(kernel, (prediction, target, *weights), (), {}, options))

    def apply(self, kernel: str, x: Value, features: int | None = None, **further: Any) -> Value:
        """Add a kernel of one input and one output, and return that."""
        y = self.value(x, features)
        self.call(kernel, (x,), (y,), **further)
        return y

    def fold(self, kernel: str, values: Sequence[Value], broadcast: bool = False) -> Value:
        """Add a kernel of two inputs of one shape between values, from the first to the last, and return its output.

        With ``broadcast`` those without steps are taken for every step, and one feature for every feature.
        """
        if broadcast:
            frame = next((one.frame for one in values if one.frame is not None), None)
            features = next((one.features for one in values if one.features != 1), 1)
            values = [one if one.frame is not None or frame is None else self.spread(one, frame) for one in values]
            values = [one if one.features == features else self.take(one, 0, features, 0) for one in values]
        first, *others = values
        if any(one.integers or (one.frame, one.features) != (first.frame, first.features) for one in values):
            raise NotPlanned(f"{kernel} of values that differ in shape or lengths")
        for one in others:
            y = self.value(first)
            self.call(kernel, (first, one), (y,))
            first = y
        return first

    def spread(self, x: Value, frame: int) -> Value:
        """Add what takes (batch, features) for every step of a frame, and return that."""
        if x.integers or x.frame is not None:
            raise NotPlanned("what has steps, or is integers, taken for every step")
        y = self.program.value(x.features, frame)
        self.call("spread", (x,), (y,))
        return y

    def take(self, x: Value, first: int, features: int, step: int = 1) -> Value:
        """Add what takes some features, from the first one and ``step`` apart, and return that."""
        return self.apply("take_features", x, features, first=first, step=step)

    def join(self, values: Sequence[Value]) -> Value:
        """Return values side by side along their features."""
        first = values[0]
        if any(one.integers or one.frame != first.frame for one in values):
            raise NotPlanned("values joined that differ in lengths")
        y = self.value(first, sum(one.features for one in values))
        self.call("concatenate", values, (y,))
        return y

    def table(self, parameter: Parameter) -> dict[str, int]:
        """Return what tells a kernel that the gradient of a table is handed out by rows: options for `call`."""
        if not (parameter.row_wise and parameter.trainable):
            return {}
        self.tables.append(parameter)
        self.program.tables += 1
        return {"table": self.program.tables - 1}

    def bound(self, ids: Value, count: int) -> None:
        """Say that whole numbers are from 0 to below a count."""
        bounds = self.program.bounds
        least, ignored = bounds.get(ids.index, (count, None))
        bounds[ids.index] = min(count, least), ignored

    def draws(self, layer: Tree) -> int:
        """Return which of those that draw random numbers in a step a layer is, so that a kernel can be told."""
        self.drawing.append(layer)
        self.program.draws += 1
        return self.program.draws - 1


def lowers(*, despite: Collection[str] = (), unless: Collection[str] | None = None) -> Callable[[Lower], Lower]:
    """Mark a ``lower`` that is right of classes below its own that change more than what makes or describes them.

    Parameters
    ----------
    despite : collection of str
        What they may define, as ``lower`` reads it.
    unless : collection of str, optional
        If given, what they may not define: anything else they may.
    """

    def mark(lower: Lower) -> Lower:
        lower.__dict__.update(despite=frozenset(despite), unless=unless)
        return lower

    return mark


def count_arrays(state: Any) -> int:
    """Return how many arrays a state of tuples in tuples has."""
    return sum(map(count_arrays, state)) if isinstance(state, tuple) else int(state is not None)


def own_lowering(layer: Any) -> Any:
    """Return the ``lower`` of a layer or loss, if it says what that does; else None.

    It does not where a class below the one that defines it changes anything, or an attribute hides a method.
    """
    if any(name in vars(layer) for name in ("forward", "backward", "infer", "kernel")):
        return None
    changed: set[str] = set()
    for cls in type(layer).__mro__:
        if "lower" in vars(cls):
            lower = vars(cls)["lower"]
            unless = getattr(lower, "unless", None)
            wrong = changed - getattr(lower, "despite", frozenset()) if unless is None else changed & set(unless)
            return None if wrong else lower.__get__(layer)
        changed |= defined_by(cls)
    return None


def defined_by(cls: type) -> set[str]:
    """Return what a class defines itself, but for what makes it, describes it, or names it."""
    return vars(cls).keys() - _HARMLESS
