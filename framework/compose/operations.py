"""What joins values on a tape without a layer: sums, products, means, and arrays side by side.

An operation has no parameters and is built on nothing: it works on arrays of whichever backend the tape's owner has.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lamina.backends import Array, Backend
from lamina.core.lowering import Lowering, NotPlanned
from lamina.core.lowering import Value as Planned
from lamina.core.shapes import Shape, show
from lamina.errors import ShapeError, StreamError

__all__ = ["Joined", "Mean", "Operation", "Product", "Sum"]


class Operation:
    """A function of several arrays, and its gradient. Its output has the lengths of the first of them."""

    def shape(self, owner: str, shapes: Sequence[Shape], origins: Sequence[str]) -> Shape:
        """Return the output's shape for inputs of these shapes; by default they must be one.

        Parameters
        ----------
        owner : str
            Whose message it is.
        shapes : sequence of shapes
        origins : sequence of str
            Where each input comes from.

        Raises
        ------
        ShapeError
            If they do not fit together.
        """
        if any(shape != shapes[0] for shape in shapes):
            got = ", ".join(f"{show(shape)} of {origin}" for shape, origin in zip(shapes, origins, strict=True))
            raise ShapeError(f"{owner}: expected one shape, got {got}")
        return shapes[0]

    def run(self, backend: Backend, arrays: Sequence[Array]) -> Array:
        """Return the output."""
        raise NotImplementedError

    def kept(self, arrays: Sequence[Array]) -> Any:
        """Return what the gradient needs of the inputs."""
        return len(arrays)

    def gradients(self, backend: Backend, dy: Array, kept: Any) -> Sequence[Array]:
        """Return the gradient of each input."""
        raise NotImplementedError

    def lower(self, lowering: Lowering, values: Sequence[Planned]) -> Planned:
        """Add what is done with values to a program, and return what it gives."""
        raise NotPlanned(f"{type(self).__name__} has no compiled form")

    def check_lengths(self, owner: str, rank: int) -> None:
        """Raise `ShapeError` where rows that differ in length cannot be taken together."""

    def check_stream(self, owner: str, rank: int) -> None:
        """Raise `StreamError` where the next steps of the inputs do not give the next steps of the output."""


class Sum(Operation):
    """y = a + b + ..."""

    def run(self, backend: Backend, arrays: Sequence[Array]) -> Array:
        """Return the sum."""
        total = arrays[0] + (arrays[1] if len(arrays) > 1 else 0)
        for array in arrays[2:]:
            total = total + array
        return total

    def gradients(self, backend: Backend, dy: Array, kept: int) -> Sequence[Array]:
        """Return dy for each."""
        return (dy,) * kept

    def lower(self, lowering: Lowering, values: Sequence[Planned]) -> Planned:
        """Add the sum to a program."""
        return lowering.fold("add", values)


class Mean(Sum):
    """y = (a + b + ...) / n."""

    def run(self, backend: Backend, arrays: Sequence[Array]) -> Array:
        """Return the mean."""
        return super().run(backend, arrays) / len(arrays)

    def gradients(self, backend: Backend, dy: Array, kept: int) -> Sequence[Array]:
        """Return dy / n for each."""
        return [dy / kept] * kept

    def lower(self, lowering: Lowering, values: Sequence[Planned]) -> Planned:
        """Add the mean to a program."""
        return lowering.apply("rescaling", super().lower(lowering, values), scale=1 / len(values), offset=0.0)


class Product(Operation):
    """y = a b ..., element by element."""

    def run(self, backend: Backend, arrays: Sequence[Array]) -> Array:
        """Return the product."""
        product = arrays[0] * (arrays[1] if len(arrays) > 1 else 1)
        return math.prod(arrays[2:], start=product) if len(arrays) > 2 else product

    def kept(self, arrays: Sequence[Array]) -> Any:
        """Return the factors."""
        return arrays

    def gradients(self, backend: Backend, dy: Array, kept: Sequence[Array]) -> Sequence[Array]:
        """Return dy times the other factors, for each."""
        if len(kept) == 2:
            return dy * kept[1], dy * kept[0]
        return [math.prod((*kept[:place], *kept[place + 1 :]), start=dy) for place in range(len(kept))]

    def lower(self, lowering: Lowering, values: Sequence[Planned]) -> Planned:
        """Add the product to a program."""
        return lowering.fold("multiply", values)


class Joined(Operation):
    """The inputs side by side along an axis.

    Parameters
    ----------
    axis : int
        Not the batch's.
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def shape(self, owner: str, shapes: Sequence[Shape], origins: Sequence[str]) -> Shape:
        """Return the joined shape; all may differ in that axis alone, and its sizes must be fixed."""
        first, got = shapes[0], ", ".join(map(show, shapes))
        if not -len(first) <= self.axis < len(first):
            raise ShapeError(f"{owner}: there is no axis {self.axis} in {show(first)}")
        axis = self.axis % len(first)
        if axis == 0:
            raise ShapeError(f"{owner}: expected an axis after the batch, got axis {self.axis} of {got}")
        rest = [(*shape[:axis], *shape[axis + 1 :]) for shape in shapes]
        if any(len(shape) != len(first) or own != rest[0] for shape, own in zip(shapes, rest, strict=True)):
            raise ShapeError(f"{owner}: expected shapes that differ only in axis {axis}, got {got}")
        sizes = [shape[axis] for shape in shapes]
        if None in sizes:
            raise ShapeError(f"{owner}: expected fixed sizes of axis {axis}, got {got}")
        return (*first[:axis], sum(size for size in sizes if size is not None), *first[axis + 1 :])

    def run(self, backend: Backend, arrays: Sequence[Array]) -> Array:
        """Return the joined array."""
        return backend.concatenate(arrays, self.axis)

    def kept(self, arrays: Sequence[Array]) -> Any:
        """Return the sizes of the joined axis."""
        return [array.shape[self.axis] for array in arrays]

    def gradients(self, backend: Backend, dy: Array, kept: list[int]) -> Sequence[Array]:
        """Return each input's part of dy."""
        return backend.split(dy, kept, self.axis)

    def check_lengths(self, owner: str, rank: int) -> None:
        """Raise where rows of unequal length would be joined along time: the padding of one would lie within."""
        if self._is_time(rank):
            raise ShapeError(f"{owner}: cannot join along time rows that differ in length: lengths were given")

    def check_stream(self, owner: str, rank: int) -> None:
        """Raise where the inputs are joined along time: the first would have to end before the second begins."""
        if self._is_time(rank):
            raise StreamError(f"{owner}: cannot stream what it joins along the time axis")

    def lower(self, lowering: Lowering, values: Sequence[Planned]) -> Planned:
        """Add it to a program, along the features."""
        rank = 2 if values[0].frame is None else 3
        if self.axis % rank != rank - 1:
            raise NotPlanned(f"values joined along axis {self.axis}")
        return lowering.join(values)

    def _is_time(self, rank: int) -> bool:
        return rank > 2 and self.axis % rank == 1
