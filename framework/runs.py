"""Runs: parameters side by side in memory, which an optimizer updates, or an average follows, as one flat array."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from lamina.backends import Array, Backend
from lamina.parameter import Parameter, Storage

if TYPE_CHECKING:
    from lamina.optimizer import Optimizer

__all__ = ["Piece", "Run", "Stretch", "neighbours"]


def neighbours(parameters: Sequence[Parameter], merge: bool = True) -> list[list[Parameter]]:
    """Return the parameters, those side by side in a storage together; each alone without ``merge``."""
    # Storages in the order in which they first occur: the same in every process, as ids are not.
    first = {id(parameter.storage): place for place, parameter in reversed(list(enumerate(parameters)))}
    ordered = sorted(parameters, key=lambda parameter: (first[id(parameter.storage)], parameter.offset))
    found: list[list[Parameter]] = []
    for parameter in ordered:
        last = found[-1][-1] if found else None
        adjacent = (
            last is not None and last.storage is parameter.storage and last.offset + last.size == parameter.offset
        )
        if adjacent and merge and not parameter.row_wise and not found[-1][-1].row_wise:
            found[-1].append(parameter)
        else:
            found.append([parameter])
    return found


class Piece(NamedTuple):
    """A stretch of trainable parameters that is updated in one call.

    Attributes
    ----------
    optimizer : Optimizer
        Whose settings and update these are: that of all parameters, or of their group.
    backend : Backend
    data, grad : arrays
    state : dict of arrays
    rows : _Rows or None
        Where these are copies of some rows: what puts them back.
    """

    optimizer: Optimizer
    backend: Backend
    data: Array
    grad: Array
    state: dict[str, Array]
    rows: _Rows | None = None

    def update(self) -> None:
        """Run the optimizer's update."""
        self.optimizer.update(self.backend, self.data, self.grad, self.state)
        if self.rows is not None:
            self.rows.put_back(self)


class _Rows(NamedTuple):
    """The rows of one parameter that got a gradient: which they are, and the tables they come from."""

    ids: Array
    data: Array
    state: dict[str, Array]

    def put_back(self, piece: Piece) -> None:
        """Write what was updated into the tables."""
        piece.backend.put_rows(self.data, self.ids, piece.data)
        for name, table in self.state.items():
            piece.backend.put_rows(table, self.ids, piece.state[name])


class Stretch:
    """Parameters side by side in one storage.

    Parameters
    ----------
    parameters : list of Parameter
        Neighbours, in order.
    shape : tuple of int, optional
        In which the values come; flat if not given.
    """

    def __init__(self, parameters: list[Parameter], shape: tuple[int, ...] | None = None) -> None:
        first, last = parameters[0], parameters[-1]
        assert first.storage is not None
        self.parameters = parameters
        self.storage: Storage = first.storage
        self._whole = slice(first.offset, last.offset + last.size)
        self._shape = shape
        # Kept, because the parameters' own offsets change when they are moved.
        starts = [parameter.offset - first.offset for parameter in parameters]
        #: Where each parameter lies in `data`.
        self.spans: list[Any] = (
            [slice(start, start + parameter.size) for start, parameter in zip(starts, parameters, strict=True)]
            if shape is None
            else [...]
        )

    # Not kept: a copied view would no longer be a view of the copied storage.

    @property
    def data(self) -> Array:
        """The values, flat, or in the shape."""
        return self._view(self.storage.data)

    @property
    def grad(self) -> Array:
        """The gradients, like the values."""
        return self._view(self.storage.grad)

    def _view(self, buffer: Array) -> Array:
        flat = buffer[self._whole]
        return flat if self._shape is None else self.storage.backend.reshape(flat, self._shape)

    @property
    def moved(self) -> bool:
        """Whether a parameter has left the storage, because the model, or a part of it, was moved."""
        return False in [parameter.storage is self.storage for parameter in self.parameters]


class Run(Stretch):
    """Parameters side by side, and an optimizer's state for them."""

    def __init__(self, optimizer: Optimizer, parameters: list[Parameter]) -> None:
        super().__init__(parameters, None if optimizer.elementwise else parameters[0].shape)
        self.optimizer = optimizer
        self.state = optimizer.create_state(self.storage.backend, self.data)

    def pieces(self) -> Iterator[Piece]:
        """Yield each stretch of trainable parameters."""
        backend, data, grad = self.storage.backend, self.data, self.grad
        rows = self.parameters[0].row_gradient() if self.optimizer.elementwise else None
        if rows is not None:
            if self.parameters[0].trainable:
                yield self._rows_piece(*rows)
            return
        if all(parameter.trainable for parameter in self.parameters):
            yield Piece(self.optimizer, backend, data, grad, self.state)
            return
        for (parameter, state), span in zip(self.states(), self.spans, strict=True):
            if parameter.trainable:
                yield Piece(self.optimizer, backend, data[span], grad[span], state)

    def _rows_piece(self, ids: Array, grad: Array) -> Piece:
        """Return copies of the rows that got a gradient, as a piece."""
        (parameter,), backend = self.parameters, self.storage.backend
        state = {name: backend.reshape(array, parameter.shape) for name, array in self.state.items()}
        rows = _Rows(ids, parameter.data, state)
        copies = {name: backend.take_rows(table, ids) for name, table in state.items()}
        # Clipping writes into a piece's gradient, but the parameter's stays as it is.
        grad = backend.copy(grad) if self.optimizer.clips else grad
        return Piece(self.optimizer, backend, backend.take_rows(parameter.data, ids), grad, copies, rows)

    def states(self) -> Iterator[tuple[Parameter, dict[str, Array]]]:
        """Yield each parameter with its own part of the state."""
        for parameter, span in zip(self.parameters, self.spans, strict=True):
            yield parameter, {name: array[span] for name, array in self.state.items()}
