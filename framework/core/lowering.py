"""Lowering: what a layer says of itself so that a backend can plan it, as kernels in a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.backends.program import Call, Program, Value, Weights
from lamina.core.parameter import Parameter
from lamina.core.tree import Tree

__all__ = ["Lowering", "NotPlanned", "Value", "count_arrays", "own_lowering"]

# What a class may define of its own and still be lowered as its base is: what makes it, describes it, or names it.
_HARMLESS = {
    *("__module__", "__qualname__", "__doc__", "__init__", "__repr__", "__firstlineno__", "__static_attributes__"),
    *("__annotations__", "__annotate_func__", "__annotations_cache__", "__parameters__", "__orig_bases__"),
    *("__abstractmethods__", "_abc_impl"),
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
    """

    def __init__(self, program: Program, training: bool = True, streaming: bool = False) -> None:
        self.program = program
        self.training = training
        self.streaming = streaming

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
        program.states.append((before, after, np.zeros((program.rows, size), program.dtype)))
        return before, after

    def refuse(self, layer: Tree, reason: str) -> NotPlanned:
        """Return the exception that says why a layer cannot be planned."""
        return NotPlanned(f"{layer.label} {reason}")

    def weights(self, parameter: Parameter | None) -> Weights | None:
        """Return a parameter as a kernel takes it; without a gradient where it is frozen."""
        if parameter is None:
            return None
        if parameter.row_wise:
            raise NotPlanned(f"Parameter {parameter.name!r} has a gradient by rows")
        return Weights(parameter.data, parameter.read_grad() if parameter.trainable else None)

    def value(self, like: Value, features: int | None = None) -> Value:
        """Return a new value with the lengths of another one, and its features if none are given."""
        return self.program.value(like.features if features is None else features, like.frame)

    def call(
        self,
        kernel: str,
        inputs: Sequence[Value],
        outputs: Sequence[Value],
        weights: dict[str, Parameter | None] | None = None,
        **options: Any,
    ) -> None:
        """Add a kernel, with its parameters by name."""
        own = {name: self.weights(parameter) for name, parameter in (weights or {}).items()}
        self.program.call(kernel, inputs, outputs, own, **options)

    def loss(
        self, kernel: str, prediction: Value, target: Value, weights: Sequence[Value] = (), **options: Any
    ) -> None:
        """Set the loss: of a prediction, a target and, where there are any, the weights of its terms."""
        if target.integers:
            self.program.bounds[target.index] = prediction.features, options.get("ignore_index")
        self.program.loss = Call(kernel, (prediction, target, *weights), (), {}, options)

    def apply(self, kernel: str, x: Value, features: int | None = None, **further: Any) -> Value:
        """Add a kernel of one input and one output, and return that."""
        y = self.value(x, features)
        self.call(kernel, (x,), (y,), **further)
        return y


def count_arrays(state: Any) -> int:
    """Return how many arrays a state of tuples in tuples has."""
    return sum(map(count_arrays, state)) if isinstance(state, tuple) else int(state is not None)


def own_lowering(layer: Any) -> Any:
    """Return the ``lower`` of a layer or loss, if it says what that does; else None.

    It does not where a class below the one that defines it changes anything, or an attribute hides a method.
    """
    if any(name in vars(layer) for name in ("forward", "backward", "infer", "kernel")):
        return None
    for cls in type(layer).__mro__:
        if "lower" in vars(cls):
            return vars(cls)["lower"].__get__(layer)
        if not vars(cls).keys() <= _HARMLESS:
            return None
    return None
