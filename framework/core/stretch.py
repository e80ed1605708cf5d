"""Stretches: parameters side by side in memory, which an optimizer or an average takes as one flat array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina.backends import Array
from lamina.core.parameter import Parameter
from lamina.core.storage import Storage

__all__ = ["Stretch", "neighbours"]


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
        self._whole: slice | None = slice(first.offset, last.offset + last.size)
        self._row_wise = [parameter for parameter in parameters if parameter.row_wise]
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
        """The gradients, like the values, to be read and written."""
        for parameter in self._row_wise:
            _ = parameter.grad  # which tells it that it may be written
        return self._view(self.storage.gradients)

    def read_grad(self) -> Array:
        """Return the gradients, to be read alone."""
        for parameter in self._row_wise:
            parameter.read_grad()
        return self._view(self.storage.gradients)

    def zero_grad(self) -> None:
        """Set the gradients to zero."""
        if self._row_wise or self.moved:
            for parameter in self.parameters:
                parameter.zero_grad()
        else:
            self._view(self.storage.gradients)[...] = 0

    def scale_grad(self, factor: float) -> None:
        """Multiply the gradients by a number."""
        if self._row_wise or self.moved:
            for parameter in self.parameters:
                parameter.scale_grad(factor)
        else:
            grad = self._view(self.storage.gradients)
            grad *= factor

    def _view(self, buffer: Array) -> Array:
        if self._whole is None:  # of a copy, whose parameters may lie elsewhere in their storage
            first, last = self.parameters[0], self.parameters[-1]
            self._whole = slice(first.offset, last.offset + last.size)
        flat = buffer[self._whole]
        return flat if self._shape is None else self.storage.backend.reshape(flat, self._shape)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_whole": None}

    @property
    def moved(self) -> bool:
        """Whether a parameter has left the storage, because the model, or a part of it, was moved."""
        storage = self.storage
        for parameter in self.parameters:  # noqa: SIM110 (in every step: a generator takes twice as long)
            if parameter.storage is not storage:
                return True
        return False
