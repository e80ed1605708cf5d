"""What a planned step is told before a run, and hands out after it: random numbers, and gradients by rows."""

from __future__ import annotations

from typing import Any

from lamina.backends.step import Step
from lamina.core.parameter import Parameter

__all__ = ["Beside"]


class Beside:
    """What goes on beside a program, in the model's own layers and parameters.

    Attributes
    ----------
    tables : list of Parameter
        Of each use of a table whose gradient a step hands out by rows.
    drawing : list of layers
        Those that draw random numbers, in the order in which they do.
    """

    def __init__(self) -> None:
        self.tables: list[Parameter] = []
        self.drawing: list[Any] = []
        self._before: list[tuple[Any, dict[str, int]]] = []

    def __bool__(self) -> bool:
        return bool(self.tables or self.drawing)

    def begin(self, step: Step, rows: int, clear: bool = True) -> None:
        """Tell a step what the next run over so many rows draws, as each layer counts its calls; forget gradients."""
        if clear:
            for table in self.tables:
                table.zero_grad()
        self._before = [(layer, layer.draws) for layer in self.drawing]
        for index, layer in enumerate(self.drawing):
            step.draw(index, *layer.next_numbers(rows))

    def take_back(self) -> None:
        """Let the layers count as before the run: it did not come to it."""
        for layer, draws in reversed(self._before):
            layer.reseed(**draws)

    def finish(self, step: Step) -> None:
        """Take the gradients by rows that the run gave, so that an optimizer finds them."""
        for index, table in enumerate(self.tables):
            for ids, rows in step.table(index):
                table.add_sums(ids, rows)
