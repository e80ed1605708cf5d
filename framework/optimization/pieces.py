"""Runs: parameters side by side in memory with a rule's state for them, and the pieces of them that it updates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import Any, NamedTuple, cast

from lamina.backends import Array, Backend
from lamina.backends.generic.updates import UpdateCall
from lamina.core.parameter import Parameter
from lamina.core.stretch import Stretch
from lamina.optimization.rule import Rule, is_one_kernel

__all__ = ["Piece", "Run", "noted_call", "update_together"]

_TRAINABLE = attrgetter("trainable")


class Piece(NamedTuple):
    """A stretch of trainable parameters that is updated in one call.

    Attributes
    ----------
    rule : Rule
        Whose settings and update these are: that of all parameters, or of their group.
    backend : Backend
    data, grad : arrays
    state : dict of arrays
    ids : (n,) Array or None
        Where given, ``grad`` is that of these rows alone, and the others are whole tables.
    table : Array or None
        Where ``grad`` is a copy, what its rows come from.
    """

    rule: Rule
    backend: Backend
    data: Array
    grad: Array
    state: dict[str, Array]
    ids: Array | None = None
    table: Array | None = None

    def update(self) -> None:
        """Run the rule's update; of rows, with copies of them."""
        backend, ids = self.backend, self.ids
        if ids is None:
            self.rule.update(backend, self.data, self.grad, self.state)
            return
        data = backend.take_rows(self.data, ids)
        state = {name: backend.take_rows(table, ids) for name, table in self.state.items()}
        self.rule.update(backend, data, self.grad, state)
        backend.put_rows(self.data, ids, data)
        for name, table in self.state.items():
            backend.put_rows(table, ids, state[name])

    def keep_grad(self) -> None:
        """Put back the gradient, where it is a copy, after it was written into."""
        if self.table is not None:
            self.backend.put_rows(self.table, self.ids, self.grad)


def update_together(pieces: Iterable[Piece]) -> None:
    """Run the updates of pieces: as few calls of a backend that joins them, where a rule's is one call of a kernel."""
    calls: dict[Backend, list[UpdateCall]] = {}
    for piece in pieces:
        if piece.backend.joins_calls and is_one_kernel(piece.rule):
            calls.setdefault(piece.backend, []).append(UpdateCall(*noted_call(piece), piece.ids))
        else:
            piece.update()
    for backend, several in calls.items():
        backend.update_together(several)


def noted_call(piece: Piece) -> tuple[str, tuple[Array, ...], dict[str, Any]]:
    """Return the one call of a kernel that a piece's update is: its name, its arrays and its settings."""
    noted = _Noted()
    piece.rule.update(cast(Backend, noted), piece.data, piece.grad, piece.state)
    return noted.call


class _Noted:
    """Stands for a backend, and notes the one call of a kernel instead of running it."""

    call: tuple[str, tuple[Array, ...], dict[str, Any]]

    def __getattr__(self, kernel: str) -> Callable[..., None]:
        def note(*arrays: Array, **settings: Any) -> None:
            self.call = kernel, arrays, settings

        return note


class Run(Stretch):
    """Parameters side by side, and a rule's state for them."""

    def __init__(self, rule: Rule, parameters: list[Parameter]) -> None:
        super().__init__(parameters, None if rule.elementwise else parameters[0].shape)
        self.rule = rule
        self.state = rule.create_state(self.storage.backend, self.data)

    def pieces(self, by_rows: bool = True) -> list[Piece]:
        """Return each stretch of trainable parameters.

        Parameters
        ----------
        by_rows : bool
            Whether a table of which few rows got a gradient comes as these alone. If not, its gradient is to be read
            alone.
        """
        first = self.parameters[0]
        if not by_rows:
            grad = self.read_grad()
        elif first.row_wise and self.rule.elementwise:
            rows = first.row_gradient()
            if rows is not None:
                return [self._rows_piece(*rows)] if first.trainable and rows[0].shape[0] else []
            grad = self.read_grad()  # of which every row is used: clipping writes into no other
        else:
            grad = self.grad
        backend, data = self.storage.backend, self.data
        if all(map(_TRAINABLE, self.parameters)):
            return [Piece(self.rule, backend, data, grad, self.state)]
        return [
            Piece(self.rule, backend, data[span], grad[span], {name: array[span] for name, array in self.state.items()})
            for span in self._trainable_spans()
        ]

    def _trainable_spans(self) -> list[Any]:
        """Return where trainable parameters lie, neighbours together."""
        spans: list[Any] = []
        before = False
        for parameter, span in zip(self.parameters, self.spans, strict=True):
            if parameter.trainable and before:
                spans[-1] = slice(spans[-1].start, span.stop)
            elif parameter.trainable:
                spans.append(span)
            before = parameter.trainable
        return spans

    def _rows_piece(self, ids: Array, grad: Array, copied: bool) -> Piece:
        """Return the rows that got a gradient, as a piece."""
        (parameter,), backend = self.parameters, self.storage.backend
        state = {name: backend.reshape(array, parameter.shape) for name, array in self.state.items()}
        return Piece(self.rule, backend, parameter.data, grad, state, ids, parameter.read_grad() if copied else None)

    def shape_of(self, parameter: Parameter, array: Array) -> tuple[int, ...]:
        """Return the shape in which a parameter's own array of the state is kept."""
        return parameter.shape if array.size == parameter.size else tuple(array.shape)

    def states(self) -> Iterator[tuple[Parameter, dict[str, Array]]]:
        """Yield each parameter with its own part of the state."""
        for parameter, span in zip(self.parameters, self.spans, strict=True):
            yield parameter, {name: array[span] for name, array in self.state.items()}
