"""Parameters: named arrays with gradients, which lie side by side in one buffer for each model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.backends import Array, Backend
from lamina.core.additions import addition_lock, thread
from lamina.core.arguments import flag
from lamina.core.changes import changes
from lamina.core.host import as_host
from lamina.core.initializers import Initializer, InitializerLike, find_initializer
from lamina.core.labels import read_ids, valid_steps
from lamina.core.row_gradient import RowGradient
from lamina.core.shapes import Lengths, as_sizes
from lamina.core.storage import Storage
from lamina.errors import MissingAttributeError, NotBuiltError, ShapeError

__all__ = ["Parameter"]


class Parameter:
    """An array that a layer learns or keeps, and its gradient.

    Parameters
    ----------
    shape : sequence of int
    initializer : str or Initializer
        How the first values are drawn; "zeros" by default.
    trainable : bool
        Whether optimizers change it. A running mean, say, is kept and saved, but not trained.
    row_wise : bool
        Whether gradients come by `add_rows`, and optimizers update the rows that got one alone; of (rows, units).

    Attributes
    ----------
    name : str
        The dotted path in the model, such as ``"encoder.0.w_x"``; set when the model is built.
    data : array of ``shape``
        The values. Assigning copies into them.
    grad : array of ``shape``
        The gradient, to which every backward pass adds, those of several threads one after the other. Assigning copies
        into it.

    Examples
    --------
    >>> import lamina
    >>> layer = lamina.layers.Dense(2)
    >>> layer.build((None, 3), seed=0)
    (None, 2)
    >>> layer.w
    Parameter('w', shape (3, 2), float32, numpy)
    """

    def __init__(
        self,
        shape: Sequence[int],
        initializer: InitializerLike = "zeros",
        trainable: bool = True,
        row_wise: bool = False,
    ) -> None:
        self.shape: tuple[int, ...] = as_sizes(shape, "Parameter")
        self.initializer: Initializer = find_initializer(initializer)
        self._trainable = flag(self, "trainable", trainable)
        self.row_wise = flag(self, "row_wise", row_wise)
        if row_wise and len(self.shape) != 2:
            raise ShapeError(f"Parameter: expected a shape (rows, units) with row_wise=True, got {self.shape}")
        self.name = ""
        self.storage: Storage | None = None
        self._offset = 0
        self._grad: Array = None
        self._table: RowGradient | None = None  # what knows of rows, with row_wise

    def _set_trainable(self, value: bool) -> None:
        self._trainable = value
        changes.count += 1

    trainable: bool = property(attrgetter("_trainable"), _set_trainable)  # type: ignore[assignment]  # a quick one

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    def place(self, storage: Storage | None, offset: int) -> None:
        """Make this parameter a view of a storage, from an offset on; of none, so that it has no values."""
        changes.count += 1
        if self._table is not None and self.storage is not None:
            self.storage.drop_table(self._table)
        self.storage, self._offset = storage, offset
        vars(self).pop("_data", None)
        self._grad = self._table = None
        if storage is not None and self.row_wise:
            self._table = storage.add_table(self._view(storage.gradients))

    def move(self, storage: Storage, offset: int) -> None:
        """Make this parameter a view of a storage, of another backend or dtype too, with its values and gradient."""
        content, backend = self._content(), self.backend
        self.place(storage, offset)
        self.data = backend.to_numpy(content["data"])
        self.read_grad()[...] = storage.backend.asarray(backend.to_numpy(content["grad"]), storage.dtype)
        if self._table is not None:
            self._table.follow(content["rows"], backend)

    @property
    def offset(self) -> int:
        """Where this parameter begins in its storage."""
        if self.storage is not None:
            _ = self.storage.data  # a copy's is laid out when it is asked for
        return self._offset

    def initialize(self, rng: np.random.Generator) -> None:
        """Draw the first values, on the host, so that every backend starts from the same bits."""
        values = self.initializer(self.shape, rng)
        if values.shape != self.shape:
            raise ShapeError(f"{self.initializer!r}: expected to draw {self.shape}, got {values.shape}")
        self.data = self.backend.asarray(values, self.dtype)

    def _placed(self) -> Storage:
        if self.storage is None:
            raise NotBuiltError(f"Parameter {self.name!r} has no values yet: build the model first")
        return self.storage

    def _view(self, buffer: Array) -> Array:
        return self.backend.reshape(buffer[self._offset : self._offset + self.size], self.shape)

    @property
    def backend(self) -> Backend:
        """The backend whose arrays hold the values."""
        return self._placed().backend

    @property
    def dtype(self) -> str:
        """The name of the values' dtype."""
        return self._placed().dtype

    def _set_data(self, value: Array) -> None:
        self._assign(self.data, value)

    # Read several times in every step, and so without a call of Python.
    data: Array = property(attrgetter("_data"), _set_data, doc="The values.")

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Make the view of the values, when it is first asked for."""
            if name != "_data":
                return self.__getattribute__(name)  # which says what is missing
            self._data = self._view(self._placed().data)
            return self._data

    @property
    def grad(self) -> Array:
        """The gradient."""
        adding = thread.adding
        if adding.held is False:  # in a layer's backward: nobody else adds until it ends
            adding.held = lock = adding.lock  # before it is acquired: an interruption between must not leave it held
            lock.acquire()
        if self._grad is None:
            self._grad = self._view(self._placed().gradients)
        if self._table is not None:
            self._table.lend()
        return self._grad

    @grad.setter
    def grad(self, value: Array) -> None:
        if value is not self._grad:  # ``parameter.grad += x`` has already written in place
            self._assign(self.grad, value)

    @property
    def requires_grad(self) -> bool:
        """Another framework's name: raises `MissingAttributeError`, as setting it does; `trainable` is meant."""
        raise MissingAttributeError(
            f"Parameter {self.name!r}: there is no requires_grad: set trainable to True or False"
        )

    @requires_grad.setter
    def requires_grad(self, value: Any) -> None:
        _ = self.requires_grad

    def _assign(self, target: Array, value: Array) -> None:
        if target is value:
            return
        if type(value) is not self.backend.array_type:
            value = as_host(value, f"Parameter {self.name!r}")
        shape = tuple(np.shape(value))
        if shape != self.shape:
            raise ShapeError(f"Parameter {self.name!r}: expected shape {self.shape}, got {shape}")
        target[...] = self.backend.asarray(value, self.dtype)

    def _by_rows(self) -> RowGradient | None:
        """Return what knows of the rows of the gradient, with ``row_wise``."""
        storage = self._placed()
        if self.row_wise and self._table is None:
            _ = storage.gradients  # a copy's is laid out when it is asked for
        return self._table

    def zero_grad(self) -> None:
        """Set the gradient to zero."""
        table = self._by_rows()
        if table is not None:
            table.zero()
        else:
            self.grad[...] = 0

    def scale_grad(self, factor: float) -> None:
        """Multiply the gradient by a number."""
        table = self._by_rows()
        if table is not None:
            table.scale(factor)
        else:
            self.grad *= factor

    def add_rows(self, ids: Any, rows: Array, lengths: Lengths | None = None) -> None:
        """Add rows to the gradient at ids, which may repeat; what repeats is summed in a fixed order.

        Parameters
        ----------
        ids : (batch, ...) integers
            They are needed on the host; a device's are copied, which waits for it.
        rows : (batch, ..., units) array
        lengths : (batch,) int64, on the host, optional
            What stands past a row's end is left out, with an id that may be none.

        Raises
        ------
        DataError
            If an id lies outside the table.
        """
        backend, named = self.backend, read_ids(f"Parameter {self.name!r}", ids, self.shape[0], lengths)
        places = None if lengths is None else np.flatnonzero(valid_steps(lengths, named.shape))
        named = named.reshape(-1) if places is None else named.reshape(-1)[places]
        self.add_sums(*backend.sum_rows(named, backend.reshape(rows, (-1, self.shape[-1])), places))

    def add_sums(self, ids: np.ndarray[Any, Any], rows: Array) -> None:
        """Add rows (n, units), which are kept, to the gradient at ids (n,) on the host, none of which repeats."""
        backend, table = self.backend, self._by_rows()
        ids.flags.writeable = False
        with addition_lock():
            if table is not None:
                table.add(ids, rows)
            else:
                backend.add_rows(self.grad, backend.constant(ids), rows)

    def row_gradient(self) -> tuple[Array, Array, bool] | None:
        """Return the ids (n,) whose rows are used, their rows (n, units), and whether these are copies.

        None where all may be, and without ``row_wise``.
        """
        table = self._by_rows()
        return None if table is None else table.rows()

    def read_grad(self) -> Array:
        """Return the gradient, to be read alone: a row-wise one goes on knowing which of its rows are not 0."""
        table = self._by_rows()
        return self._view(self._placed().gradients) if table is None else table.settle()

    def numpy(self) -> np.ndarray[Any, Any]:
        """Return a copy of the values on the host, contiguous."""
        return np.array(self.backend.to_numpy(self.data), order="C")

    # A copy or a pickle takes what is this parameter's own; see `Storage`.

    def _content(self) -> dict[str, Any]:
        grad = self.read_grad()
        return {"data": self.data, "grad": grad, "rows": None if self._table is None else self._table.notes()}

    def __getstate__(self) -> dict[str, Any]:
        content = None if self.storage is None else self._content()
        own = {name: value for name, value in self.__dict__.items() if name != "_data"}
        return {**own, "_grad": None, "_table": None, "_copied": content}

    def __setstate__(self, state: dict[str, Any]) -> None:
        content = state.pop("_copied")
        self.__dict__.update(state)
        if self.storage is not None:
            self.storage.expect(self, self._offset, content)

    def arrive(self, offset: int, table: RowGradient | None) -> None:
        """Be, in a copy, a view of its storage from an offset on."""
        self._offset, self._table = offset, table

    def __copy__(self) -> Parameter:
        """Return another view of the same memory."""
        _ = self.offset
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin

    def __repr__(self) -> str:
        where = "not built" if self.storage is None else f"{self.dtype}, {self.backend.name}"
        frozen = "" if self.trainable else ", not trainable"
        return f"Parameter({self.name!r}, shape {self.shape}, {where}{frozen})"
