"""The memory of a model's parameters: one flat array of values, and one of gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from lamina.backends import Array, Backend
from lamina.core.additions import addition_lock
from lamina.core.row_gradient import RowGradient

__all__ = ["Storage", "View"]


class View(Protocol):
    """What a storage knows of a parameter that comes with a copy."""

    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """The number of elements."""
        ...

    def arrive(self, offset: int, table: RowGradient | None) -> None:
        """Be a view of the storage from an offset on."""
        ...


class Storage:
    """One flat buffer of values and one of gradients, of which parameters are views.

    An optimizer updates neighbours in it with one call instead of one for each parameter.

    A copy or a pickle has no content of its own: each parameter brings what is its own, so that one part of a model
    takes no other along. They are laid side by side, in the order they had, when the values are first asked for.

    Attributes
    ----------
    data : Array
        The values.
    gradients : Array
        The gradients as they lie in memory, to be read or written where no table's are: see `grad`.
    """

    data: Array
    gradients: Array

    def __init__(self, backend: Backend, dtype: str, size: int) -> None:
        self.backend = backend
        self.dtype = dtype
        self._tables: list[RowGradient] = []
        self._arriving: list[tuple[View, int, dict[str, Any]]] = []  # in a copy
        self.data = backend.zeros((size,), backend.dtype(dtype))
        self.gradients = backend.zeros((size,), backend.dtype(dtype))

    @property
    def grad(self) -> Array:
        """All gradients, to be read and written."""
        for table in self._tables:
            table.lend()
        return self.gradients

    def read_grad(self) -> Array:
        """Return all gradients, to be read alone: tables go on knowing which of their rows are not 0."""
        for table in self._tables:
            table.settle()
        return self.gradients

    def add_table(self, array: Array) -> RowGradient:
        """Return the gradient by rows of a table, whose part of the gradients this is."""
        table = RowGradient(self.backend, array)
        self._tables.append(table)
        return table

    def drop_table(self, table: RowGradient) -> None:
        """Forget a table that was moved elsewhere."""
        self._tables = [one for one in self._tables if one is not table]

    # Copies and pickles.

    def __getstate__(self) -> dict[str, Any]:
        return {"backend": self.backend, "dtype": self.dtype}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _tables=[], _arriving=[])

    def expect(self, parameter: View, offset: int, content: dict[str, Any]) -> None:
        """Take note, in a copy, of a parameter that will be a view of this, where it lay, and what it held."""
        self._arriving.append((parameter, offset, content))

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Lay out what has arrived in a copy, when its content is first asked for."""
            if name not in ("data", "gradients"):
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            with addition_lock():  # of two threads the second finds it done
                if "gradients" not in self.__dict__:
                    self._lay_out()
            return self.__dict__[name]

    def _lay_out(self) -> None:
        backend, size = self.backend, 0
        places: dict[int, int] = {}  # by the offset in the original: two views of one place stay so
        arriving = sorted(self._arriving, key=lambda one: one[1])
        for parameter, offset, _ in arriving:
            if offset not in places:
                places[offset] = size
                size += parameter.size
        data, gradients = (backend.zeros((size,), backend.dtype(self.dtype)) for _ in range(2))
        tables: dict[int, RowGradient] = {}
        for parameter, offset, content in arriving:
            part = slice(places[offset], places[offset] + parameter.size)
            data[part] = backend.reshape(content["data"], (-1,))
            gradients[part] = backend.reshape(content["grad"], (-1,))
            if content["rows"] is not None and offset not in tables:
                tables[offset] = self.add_table(backend.reshape(gradients[part], parameter.shape))
                tables[offset].follow(content["rows"], backend)
            parameter.arrive(part.start, tables.get(offset))
        self._arriving = []
        self.data = data
        self.gradients = gradients  # at last: until it is there, another thread waits
