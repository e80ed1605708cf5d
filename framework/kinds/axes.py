"""What layers over chosen axes share: which axes these are, and whether the time is one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from lamina.core.arguments import MOST, is_whole
from lamina.core.layer import Layer
from lamina.core.shapes import Shape, show
from lamina.errors import ArgumentError, ShapeError, StreamError, shown

__all__ = ["Axes", "AxisLayer", "read_axes"]

Axes: TypeAlias = int | tuple[int, ...]


def read_axes(owner: Any, axis: Any, several: bool = True) -> Axes:
    """Return one axis as a number, or several as a tuple, or raise `ArgumentError`: 0, the batch, is none.

    Parameters
    ----------
    owner : object
    axis : int or sequence of int
        Negative ones count from the last.
    several : bool
        Whether there may be several.
    """
    given = axis if isinstance(axis, (tuple, list)) and several else (axis,)
    if not given or not all(map(_is_axis, given)) or len(set(given)) < len(given):
        wanted = "an axis, or several, each once" if several else "an axis"
        raise ArgumentError(
            f"{type(owner).__name__}: expected axis to be {wanted}, and not 0, the batch, got {shown(axis)}"
        )
    numbers = tuple(int(one) for one in given)
    return numbers[0] if len(numbers) == 1 else numbers


def _is_axis(value: Any) -> bool:
    return is_whole(value) and value != 0 and bool(abs(value) <= MOST)


class AxisLayer(Layer):
    """The base class of layers that take numbers along ``axis`` together: the last one, or others that are named.

    Over the last axis each step is taken alone, and lengths do not matter. Over others, numbers past a row's end do
    not count, and what is given there is 0.

    Attributes
    ----------
    axis : int or tuple of int
    """

    axis: Axes

    def axes_of(self, shape: Sequence[Any]) -> tuple[int, ...]:
        """Return the axes in an array, or input, of some shape, from 1 on and in order.

        Raises
        ------
        ShapeError
            If one is not there, is the batch, or is named twice.
        """
        named, rank = self.axis if isinstance(self.axis, tuple) else (self.axis,), len(shape)
        found = tuple(sorted(one + rank if one < 0 else one for one in named))
        if found[0] < 1 or found[-1] >= rank or len(set(found)) < len(found):
            raise ShapeError(
                f"{self.label}: expected an input with {_axes(self.axis)}, and not the batch's, got "
                f"{show(tuple(shape))}"
            )
        return found

    def build(self, shape: Shape) -> Shape:
        """Return the same shape, which must have the axes."""
        self.axes_of(shape)
        return shape

    def stream_state(self, batch: int) -> tuple[()]:
        """Return no state, where no axis is the time; otherwise raise `StreamError`."""
        for (shape,) in self.places if self.axis != -1 else ():
            if len(shape) > 2 and 1 in self.axes_of(shape):
                raise StreamError(
                    f"{self.label}: cannot stream: it takes all steps of a row together, by axis={self.axis}"
                )
        return super().stream_state(batch) if self.axis == -1 else ()


def _axes(axis: Axes) -> str:
    return f"axis {axis}" if isinstance(axis, int) else f"axes {axis}"
