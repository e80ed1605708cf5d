"""Runs: parameters side by side in memory with a rule's state for them, and the pieces of them that it updates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from lamina.backends import Array, Backend
from lamina.core.parameter import Parameter
from lamina.core.stretch import Stretch
from lamina.optimization.rule import Rule

__all__ = ["Piece", "Run"]


class Piece(NamedTuple):
    """A stretch of trainable parameters that is updated in one call.

    Attributes
    ----------
    rule : Rule
        Whose settings and update these are: that of all parameters, or of their group.
    backend : Backend
    data, grad : arrays
    state : dict of arrays
    rows : _Rows or None
        Where these are copies of some rows: what puts them back.
    """

    rule: Rule
    backend: Backend
    data: Array
    grad: Array
    state: dict[str, Array]
    rows: _Rows | None = None

    def update(self) -> None:
        """Run the rule's update."""
        self.rule.update(self.backend, self.data, self.grad, self.state)
        if self.rows is not None:
            self.rows.put_back(self.backend)


class _Rows(NamedTuple):
    """The rows of one parameter that got a gradient: which they are, and the tables they come from."""

    ids: Array
    tables: list[tuple[Array, Array]]  # each with the rows taken from it

    def put_back(self, backend: Backend) -> None:
        """Write what was updated into the tables."""
        for table, rows in self.tables:
            backend.put_rows(table, self.ids, rows)


class Run(Stretch):
    """Parameters side by side, and a rule's state for them."""

    def __init__(self, rule: Rule, parameters: list[Parameter]) -> None:
        super().__init__(parameters, None if rule.elementwise else parameters[0].shape)
        self.rule = rule
        self.state = rule.create_state(self.storage.backend, self.data)

    def pieces(self) -> list[Piece]:
        """Return each stretch of trainable parameters."""
        first = self.parameters[0]
        if first.row_wise and self.rule.elementwise:
            rows = first.row_gradient()
            if rows is not None:
                return [self._rows_piece(*rows)] if first.trainable and rows[0].shape[0] else []
            grad = self.read_grad()  # of which every row is used: clipping writes into no other
        else:
            grad = self.grad
        backend, data = self.storage.backend, self.data
        if False not in [parameter.trainable for parameter in self.parameters]:
            return [Piece(self.rule, backend, data, grad, self.state)]
        return [
            Piece(self.rule, backend, data[span], grad[span], state)
            for (parameter, state), span in zip(self.states(), self.spans, strict=True)
            if parameter.trainable
        ]

    def _rows_piece(self, ids: Array, grad: Array, copied: bool) -> Piece:
        """Return copies of the rows that got a gradient, as a piece."""
        (parameter,), backend = self.parameters, self.storage.backend
        data = backend.take_rows(parameter.data, ids)
        tables = {name: backend.reshape(array, parameter.shape) for name, array in self.state.items()}
        state = {name: backend.take_rows(table, ids) for name, table in tables.items()}
        pairs = [(parameter.data, data), *((table, state[name]) for name, table in tables.items())]
        if copied:  # clipping writes into gradients
            pairs.append((parameter.read_grad(), grad))
        return Piece(self.rule, backend, data, grad, state, _Rows(ids, pairs))

    def states(self) -> Iterator[tuple[Parameter, dict[str, Array]]]:
        """Yield each parameter with its own part of the state."""
        for parameter, span in zip(self.parameters, self.spans, strict=True):
            yield parameter, {name: array[span] for name, array in self.state.items()}
