"""What a training run asks of the other ranks, where its model is trained on several."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from lamina.backends import Array, Backend, backend_of
from lamina.core.layer import Layer
from lamina.core.shared_sums import shared_sums
from lamina.data.goals import Goal
from lamina.distributed import Communicator, connect
from lamina.distributed.values import broadcast_value, gather_values
from lamina.errors import ArgumentError, DistributedError
from lamina.kinds.cell import Recurrent
from lamina.train.shares import Share

__all__ = ["Ranks", "read_ranks", "require_sharable"]


class Ranks:
    """The ranks that train a model together, as one of them sees them.

    Parameters
    ----------
    communicator : Communicator
        Of more than one.

    Attributes
    ----------
    share : Share
        Of the rows of every batch.
    """

    def __init__(self, communicator: Communicator) -> None:
        self.communicator = communicator
        self.share = Share(communicator.rank, communicator.size)

    @property
    def size(self) -> int:
        """How many there are."""
        return self.share.size

    @property
    def leads(self) -> bool:
        """Whether this one writes files, and shows progress."""
        return self.share.rank == 0

    @contextmanager
    def together(self) -> Iterator[None]:
        """Run a block that all ranks do: where one raises, the others are told.

        Raises
        ------
        DistributedError
            If another rank has failed.
        """
        self.communicator.begin()
        try:
            with shared_sums(self.summed):
                yield
        except BaseException as error:
            error.add_note(f"on rank {self.share.rank} of {self.size}")
            self.communicator.fail(f"{type(error).__name__}: {error}")
            raise

    def takes(self, backend: Backend) -> bool:
        """Tell whether the communicator takes a backend's arrays as they are; others go through NumPy's."""
        return backend.array_type is np.ndarray or self.communicator.on_device(backend)

    def summed(self, array: Array) -> Array:
        """Return the sum of all ranks' arrays, of any backend; what is given stays as it is."""
        backend = backend_of(array)
        if self.takes(backend):
            total = backend.copy(array)
            self.communicator.allreduce(total)
            return total
        there = np.ascontiguousarray(backend.to_numpy(array)).copy()
        self.communicator.allreduce(there)
        return backend.asarray(there)

    def totals(self, *numbers: float) -> tuple[float, ...]:
        """Return the sums of all ranks' numbers."""
        found = np.array(numbers, np.float64)
        self.communicator.allreduce(found)
        return tuple(found.tolist())

    def largest(self, number: float) -> float:
        """Return the largest of all ranks' numbers."""
        found = np.array([number], np.float64)
        self.communicator.allreduce(found, "max")
        return float(found[0])

    def any(self, condition: bool) -> bool:
        """Tell whether something is so on any rank."""
        return self.largest(float(condition)) > 0

    def first(self, value: Any = None, backend: Backend | None = None) -> Any:
        """Return rank 0's value."""
        return broadcast_value(self.communicator, value, 0, backend)

    def every(self, value: Any, backend: Backend | None = None) -> list[Any]:
        """Return all ranks' values, in their order."""
        return gather_values(self.communicator, value, backend)

    def require_same(self, settings: dict[str, Any]) -> None:
        """Raise `DistributedError`, on each rank, where not all were given the same.

        Parameters
        ----------
        settings : dict
            What each was given, by name, as `pack` can hold it.
        """
        every = self.every(settings)
        for rank, own in enumerate(every):
            for name in settings:
                if own.get(name) != every[0].get(name):
                    raise DistributedError(
                        f"Trainer: rank {rank} was given another {name} than rank 0: give all ranks the same"
                    )


def require_sharable(model: Layer, goals: tuple[Goal, ...]) -> None:
    """Raise `ArgumentError` where ranks could not share the work.

    A metric has to say how what several have gathered is put together. A layer that waits for the other ranks has to be
    called as often on each: in a cell it is for each step of the longest row, which is another on each.
    """
    for goal in goals:
        for metric in goal.metrics:
            metric.require_mergeable()
    for _, layer in model.walk():
        for _, inner in layer.walk() if isinstance(layer, Recurrent) else ():
            if getattr(inner, "synchronized", False):
                raise ArgumentError(
                    f"{inner.label}: in a cell no statistics are taken over all ranks: expected synchronized=False"
                )


def read_ranks(communicator: Any) -> Ranks | None:
    """Return the ranks that a trainer is given; None of one alone.

    Raises
    ------
    ArgumentError
        If it is no communicator.
    UnknownNameError, MissingPackageError
        If it is a name that is not known, or what it stands for cannot run here.
    """
    if communicator is None:
        return None
    if not isinstance(communicator, (str, Communicator)):
        got = type(communicator).__name__
        raise ArgumentError(f"Trainer: expected communicator to be a Communicator or a name, got {got}")
    found = connect(communicator)
    return Ranks(found) if found.size > 1 else None
