"""The tape that lowers a ``compose``: its values are those of a program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina.compose.operations import Operation
from lamina.compose.tape import Tape, Value
from lamina.core.layer import Layer
from lamina.core.lowering import Lowering

__all__ = ["Planning"]


class Planning(Tape):
    """Lets each layer that is called add what it does to a program.

    Parameters
    ----------
    owner : Layer
    lowering : Lowering
    """

    def __init__(self, owner: Layer, lowering: Lowering) -> None:
        super().__init__(owner)
        self._lowering = lowering

    def run(self, layer: Layer, inputs: Sequence[Value], lengths: Any) -> tuple[Any, Any]:
        """Lower the layer."""
        return self._lowering(layer, *[value.content for value in inputs]), None

    def join(self, operation: Operation, inputs: Sequence[Value]) -> Value:
        """Lower the operation."""
        return Value(operation.lower(self._lowering, [value.content for value in inputs]), None, self)
