"""What users write and a random model is made of: wiring by hand, cells with layers in them, subclasses, decorators."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from lamina.compose.composite import Composite
from lamina.compose.tape import Tape, Value
from lamina.core.layer import Layer
from lamina.core.parameter import Parameter
from lamina.core.registry import register
from lamina.core.shapes import Shapes, as_tuple
from lamina.testing.random_models.cells import Averaging, Mixing, Remembering
from lamina.testing.random_models.operators import OPERATORS
from lamina.testing.random_models.subclasses import (
    DecoratedMean,
    Doubled,
    DoubledGRU,
    KeywordDense,
    KeywordGRU,
    KeywordLSTM,
    LoggedDense,
    LoggedGRU,
    Noise,
)

__all__ = [
    "Averaging",
    "DecoratedMean",
    "Doubled",
    "DoubledGRU",
    "Graph",
    "KeywordDense",
    "KeywordGRU",
    "KeywordLSTM",
    "LoggedDense",
    "LoggedGRU",
    "Mixing",
    "Noise",
    "Remembering",
    "every_second",
    "frozen",
]


@register
class Graph(Composite):
    """Layers and joins, wired by numbers: the inputs come first, then what each step gives, a number for each output.

    Parameters
    ----------
    layers : list of Layer
    steps : list
        Of each, what is called, a place in ``layers`` or ``"add"``, ``"multiply"``, ``"average"``, ``"concatenate"``,
        or one of `OPERATORS`, then the numbers of the values that it takes.
    outputs : list of int
        The numbers of the values that are given: one, or a tuple of several.
    ties : list
        Of each, a place in ``layers``, a parameter's name, and the place and name of the one that takes its stead.
    """

    def __init__(self, layers: list[Layer], steps: list[Any], outputs: list[int], ties: Sequence[Any] = ()) -> None:
        self.layers = layers
        self.steps = [tuple(step) for step in steps]
        self.outputs = outputs
        self.ties = tuple(tuple(tie) for tie in ties)

    def build(self, *shapes: Any, **options: Any) -> Shapes:
        """Build the layers, and tie parameters."""
        output = super().build(*shapes, **options)
        for place, name, further, other in self.ties:
            setattr(self.layers[further], other, getattr(self.layers[place], name))
        return output

    def compose(self, t: Tape, *inputs: Value) -> Any:
        """Take the steps."""
        values = list(inputs)
        for what, *numbers in self.steps:
            taken = [values[number] for number in numbers]
            if what in OPERATORS:
                given = OPERATORS[what].run(*taken)
            else:
                given = getattr(t, what)(*taken) if isinstance(what, str) else t(self.layers[what], *taken)
            values.extend(as_tuple(given))
        given = tuple(values[number] for number in self.outputs)
        return given if len(given) > 1 else given[0]


def every_second(parameters: Iterable[Parameter], **options: Any) -> dict[str, dict[str, Any]]:
    """Return groups of an optimizer: options for every second parameter."""
    return {parameter.name: options for parameter in list(parameters)[::2]}


def frozen(layer: Layer) -> Layer:
    """Return a layer with ``trainable`` set to False."""
    layer.trainable = False
    return layer
