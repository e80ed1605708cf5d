"""Windows over the time axis: which steps each one reads, taken apart and added up again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from lamina.backends.arrays import Array
from lamina.backends.kernels import KernelTable

__all__ = ["WindowOperations", "Windows"]


class Windows(NamedTuple):
    """Windows over a time axis: window j reads the steps j stride - before + i dilation, for i from 0 to size - 1.

    Attributes
    ----------
    size : int
        The number of steps in a window.
    number : int
        The number of windows.
    stride, dilation : int
    before : int
        How many steps before the time axis the first window begins.
    """

    size: int
    number: int
    stride: int = 1
    dilation: int = 1
    before: int = 0

    @property
    def reach(self) -> int:
        """How many steps lie from the first of a window to its last, both included."""
        return (self.size - 1) * self.dilation + 1

    @property
    def extent(self) -> int:
        """How many steps lie from the first of the first window to the last of the last, both included."""
        return (self.number - 1) * self.stride + self.reach if self.number else 0

    def places(self, index: int) -> slice:
        """Return where every window's step of that index lies, counted from the first window's begin."""
        if not self.number:
            return slice(0, 0)  # a time axis shorter than a window has no place at its own index
        first = index * self.dilation
        return slice(first, first + (self.number - 1) * self.stride + 1, self.stride)

    def inside(self, starts: Any, stops: Any) -> np.ndarray[Any, Any]:
        """Return how many steps of each window lie within each row: (batch, number), on the host.

        Parameters
        ----------
        starts, stops : (batch,) integers on the host, or one for all rows
            Where rows begin and end.
        """
        first = np.arange(self.number) * self.stride - self.before
        places = first[None, :, None] + np.arange(self.size) * self.dilation
        starts, stops = (np.atleast_1d(steps)[:, None, None] for steps in (starts, stops))
        counts: np.ndarray[Any, Any] = np.sum((places >= starts) & (places < stops), axis=-1)
        return counts


class WindowOperations(KernelTable):
    """Take windows apart into their first steps, their second steps, and so on, and add those up; cut rows in time."""

    def window_steps(self, array: Array, fill: float, windows: Windows) -> list[Array]:
        """Return the steps of all windows, those of each index in one array.

        Parameters
        ----------
        array : (batch, time, ...)
        fill : float
            What stands before and after the time axis.
        windows : Windows

        Returns
        -------
        list of (batch, number, ...), one for each step of a window
        """
        batch, time, *rest = array.shape
        after = max(windows.extent - windows.before - time, 0)
        sides = [self.full((batch, steps, *rest), fill, array.dtype) for steps in (windows.before, after)]
        if windows.before or after:
            array = self.concatenate([sides[0], array, sides[1]], 1)
        return [array[:, windows.places(index), ...] for index in range(windows.size)]

    def add_window_steps(self, parts: Sequence[Array], time: int, windows: Windows) -> Array:
        """Return, for each step of the time axis, the sum of what the windows have there: (batch, time, ...).

        The gradient of `window_steps`.
        """
        batch, _, *rest = parts[0].shape
        size = max(windows.extent, windows.before + time)
        total = self.zeros((batch, size, *rest), parts[0].dtype)
        for index, part in enumerate(parts):
            place = (slice(None), windows.places(index), ...)
            total[place] = total[place] + part
        return total[:, windows.before : windows.before + time, ...]

    def set_before(self, array: Array, starts: Array, value: float) -> Array:
        """Return the (batch, time, features) array with a value before each row's first step, (batch,) on the host."""
        before = np.arange(array.shape[1]) < starts[:, None]
        if not before.any():
            return array
        return self.xp.where(self.constant(before)[:, :, None], self.full((), value, array.dtype), array)

    def steps_from(self, array: Array, starts: Array, number: int) -> Array:
        """Return so many steps of each row, from a step of its own on; past the array's end, its last one.

        Parameters
        ----------
        array : (batch, time, features), of one time step or more
        starts : (batch,) integers on the host
        number : int

        Returns
        -------
        (batch, number, features)
        """
        batch, time, features = array.shape
        places = self.constant(np.minimum(starts[:, None] + np.arange(number), time - 1), "int64")
        index = self.xp.broadcast_to(places[:, :, None], (batch, number, features))
        return self.xp.take_along_axis(array, index, axis=1)

    def append_steps(self, array: Array, counts: Array, new: Array, lengths: Array | None) -> Array:
        """Return each row's steps so far with its new ones behind them.

        Parameters
        ----------
        array : (batch, before, features)
        counts : (batch,) integers on the host
            How many of a row's steps before are its own.
        new : (batch, time, features)
        lengths : (batch,) integers on the host, or None
            How many of a row's new steps are its own.

        Returns
        -------
        (batch, most, features)
            As many steps as the longest row has now; 0 past each row's end.
        """
        before = array.shape[1]
        joined = self.concatenate([array, new], 1)
        if lengths is None and (counts == before).all():
            return joined
        total = counts + (new.shape[1] if lengths is None else lengths)
        steps, own = np.arange(total.max(initial=0)), counts[:, None]
        places = np.minimum(np.where(steps < own, steps, before + steps - own), joined.shape[1] - 1)
        index = self.constant(places, "int64")[:, :, None]
        index = self.xp.broadcast_to(index, (joined.shape[0], len(steps), joined.shape[2]))
        return self.zero_past(self.xp.take_along_axis(joined, index, axis=1), total)
