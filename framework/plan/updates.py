"""An optimizer's update as kernels of a program: which, over which arrays, and their settings from step to step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina.backends import Array
from lamina.core.lowering import NotPlanned
from lamina.optimization.optimizer import Optimizer
from lamina.optimization.pieces import Piece, Run, noted_call, update_together
from lamina.optimization.rule import is_one_kernel

__all__ = ["Updates"]


class Updates:
    """The updates of an optimizer whose rule is one kernel, element by element; but for tables that it updates by rows.

    Parameters
    ----------
    optimizer : Optimizer

    Attributes
    ----------
    calls : list of (str, tuple of array or None)
        Kernel and arrays of each stretch of weights.

    Raises
    ------
    NotPlanned
        If the optimizer does more.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        label = optimizer.label
        plain = type(optimizer).step is Optimizer.step and not optimizer.needs_closure
        if not plain or not is_one_kernel(optimizer) or not optimizer.elementwise:
            raise NotPlanned(f"{label} is no update of one kernel")
        if optimizer.clip_norm is not None or optimizer.clip_value is not None:
            raise NotPlanned(f"{label} clips gradients")
        self.optimizer = optimizer
        self._pieces: list[Piece] = []
        self._tables: list[Run] = []
        for run in optimizer._runs:
            if run.parameters[0].row_wise:
                self._tables.append(run)
            else:
                self._pieces += run.pieces()
        self._pieces = [piece for piece in self._pieces if piece.data.size]
        self._known: list[dict[str, Any]] = []
        self.calls: list[tuple[str, tuple[Array | None, ...]]] = []
        for piece in self._pieces:
            kernel, arrays, _ = noted_call(piece)
            self.calls.append((kernel, arrays))

    def begin(self) -> bool:
        """Count a step, as `Optimizer.step` does; tell whether settings may have changed since the step before."""
        optimizer = self.optimizer
        optimizer.steps += 1
        for member in optimizer._members:
            member._follow(optimizer)
        return True

    def finish(self) -> None:
        """Update what is left to the optimizer: rows of tables, of which each step uses others."""
        if self._tables:
            update_together(piece for run in self._tables for piece in run.pieces())

    def settings(self) -> list[Sequence[float]]:
        """Return what each update takes by keyword, as numbers, in the order of the rule's call."""
        return [tuple(noted_call(piece)[2].values()) for piece in self._pieces]
