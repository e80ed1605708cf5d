"""Parameters: named arrays with gradients, which lie side by side in one buffer for each model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.backends import Array, Backend
from lamina.core.arguments import flag
from lamina.core.initializers import Initializer, InitializerLike, find_initializer
from lamina.errors import NotBuiltError, ShapeError

__all__ = ["Parameter", "Storage"]


class Storage:
    """One flat buffer of values and one of gradients, of which parameters are views.

    An optimizer updates neighbours in it with one call instead of one for each parameter.
    """

    def __init__(self, backend: Backend, dtype: str, size: int) -> None:
        self.backend = backend
        self.dtype = dtype
        self.data: Array = backend.zeros((size,), backend.dtype(dtype))
        self.grad: Array = backend.zeros((size,), backend.dtype(dtype))


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
        Whether gradients come by `add_rows`, and optimizers update the rows that got one alone.

    Attributes
    ----------
    name : str
        The dotted path in the model, such as ``"encoder.0.w_x"``; set when the model is built.
    data : array of ``shape``
        The values. Assigning copies into them.
    grad : array of ``shape``
        The gradient, to which every backward pass adds. Assigning copies into it.

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
        if not isinstance(shape, (tuple, list)) or not all(isinstance(size, (int, np.integer)) for size in shape):
            raise ShapeError(f"Parameter: expected a shape such as (12, 64), got {shape!r}")
        self.shape: tuple[int, ...] = tuple(int(size) for size in shape)
        self.initializer: Initializer = find_initializer(initializer)
        self.trainable = flag(self, "trainable", trainable)
        self.row_wise = flag(self, "row_wise", row_wise)
        # Of a row-wise gradient: what is not in the array yet, as ids and rows; and whether the array is all 0.
        self._pending: list[tuple[Array, Array]] = []
        self._is_zero = False
        self.name = ""
        self.storage: Storage | None = None
        self.offset = 0
        self._data: Array = None
        self._grad: Array = None

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    def place(self, storage: Storage | None, offset: int) -> None:
        """Make this parameter a view of a storage, from an offset on; of none, so that it has no values."""
        self.storage, self.offset = storage, offset
        self._data = self._grad = None
        self._pending, self._is_zero = [], True  # a new storage's gradients are 0

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
        return self.backend.reshape(buffer[self.offset : self.offset + self.size], self.shape)

    @property
    def backend(self) -> Backend:
        """The backend whose arrays hold the values."""
        return self._placed().backend

    @property
    def dtype(self) -> str:
        """The name of the values' dtype."""
        return self._placed().dtype

    @property
    def data(self) -> Array:
        """The values."""
        if self._data is None:
            self._data = self._view(self._placed().data)
        return self._data

    @data.setter
    def data(self, value: Array) -> None:
        self._assign(self.data, value)

    @property
    def grad(self) -> Array:
        """The gradient."""
        if self._grad is None:
            self._grad = self._view(self._placed().grad)
        if self.row_wise:
            self._is_zero = False  # whoever gets the array may write into it
            for ids, rows in self._pending:
                self.backend.put_rows(self._grad, ids, self.backend.take_rows(self._grad, ids) + rows)
            self._pending = []
        return self._grad

    @grad.setter
    def grad(self, value: Array) -> None:
        # ``parameter.grad += x`` has already written in place when it comes here.
        if value is not self._grad:
            self._assign(self.grad, value)

    def _assign(self, target: Array, value: Array) -> None:
        if target is value:
            return
        shape = tuple(np.shape(value))
        if shape != self.shape:
            raise ShapeError(f"Parameter {self.name!r}: expected shape {self.shape}, got {shape}")
        target[...] = self.backend.asarray(value, self.dtype)

    def zero_grad(self) -> None:
        """Set the gradient to zero."""
        self._pending = []
        if not (self.row_wise and self._is_zero):
            self.grad[...] = 0
            self._is_zero = True

    def add_rows(self, ids: Array, rows: Array) -> None:
        """Add rows (n, units) to the gradient at ids (n,), which may repeat."""
        backend = self.backend
        ids, rows = backend.sum_rows(ids, rows)
        if self.row_wise:
            self._pending.append((ids, rows))
        else:
            backend.put_rows(self.grad, ids, backend.take_rows(self.grad, ids) + rows)

    def row_gradient(self) -> tuple[Array, Array] | None:
        """Return the ids (n,) whose gradient is not 0, each once, and its rows (n, units); None where all may be.

        Known of a ``row_wise`` parameter whose gradient came by `add_rows` alone.
        """
        if not self.row_wise or not self._is_zero:
            return None
        backend = self.backend
        if not self._pending:
            return backend.zeros((0,), backend.dtype("int64")), self.data[:0, ...]
        if len(self._pending) > 1:
            ids, rows = zip(*self._pending, strict=True)
            self._pending = [backend.sum_rows(backend.concatenate(ids, 0), backend.concatenate(rows, 0))]
        return self._pending[0]

    def numpy(self) -> np.ndarray[Any, Any]:
        """Return a copy of the values on the host, contiguous."""
        return np.array(self.backend.to_numpy(self.data), order="C")

    def __getstate__(self) -> dict[str, Any]:
        # A copied view would no longer be a view of the copied storage.
        return {**self.__dict__, "_data": None, "_grad": None}

    def __repr__(self) -> str:
        where = "not built" if self.storage is None else f"{self.dtype}, {self.backend.name}"
        frozen = "" if self.trainable else ", not trainable"
        return f"Parameter({self.name!r}, shape {self.shape}, {where}{frozen})"
