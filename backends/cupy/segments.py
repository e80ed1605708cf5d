"""Several arrays as one: a table of where they lie, which kernels take by value."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from lamina.backends.arrays import Array
from lamina.backends.cupy.compiled import THREADS, CompiledKernels, grid_over

__all__ = ["ELEMENTS", "SegmentKernels", "Segments", "apart", "dense"]

#: How many elements a block takes at once.
ELEMENTS = 8 * THREADS

_HEAD = struct.Struct("qP")
_SEGMENT = struct.Struct("PPq")
_ROOM = 128  # segments that go by value: a kernel's parameters are 4 KB in all
_CHARS = "fd"


class Segments(NamedTuple):
    """Arrays of one dtype, as kernels take them.

    Attributes
    ----------
    table : (1,) array of bytes
    held : Array or None
        What must live until the kernel is launched.
    total : int
        How many elements they have together.
    dtype : dtype
    """

    table: Any
    held: Array | None
    total: int
    dtype: Any

    @property
    def parts(self) -> int:
        """How many parts of `ELEMENTS` elements there are."""
        return -(-self.total // ELEMENTS)


class SegmentKernels(CompiledKernels):
    """Launches kernels over several arrays at once."""

    def table(self, entries: Sequence[bytes], room: int) -> tuple[Any, Array | None]:
        """Return a table of entries as a kernel takes it, by value, and what must live until it is launched.

        Where there is room for no more, the entries are uploaded.
        """
        packed, held, place = b"".join(entries), None, 0
        size = _HEAD.size + room * len(entries[0])
        if len(entries) > room:
            held = self.xp.asarray(np.frombuffer(packed, np.uint8))
            packed, place = b"", held.data.ptr
        whole = (_HEAD.pack(len(entries), place) + packed).ljust(size, b"\0")
        return np.frombuffer(whole, f"V{size}"), held

    def segments(self, arrays: Sequence[Array], others: Sequence[Array] | None = None) -> Segments | None:
        """Return arrays as one; None where they are not dense arrays of one dtype, float32 or float64.

        Parameters
        ----------
        arrays : sequence of Array
        others : sequence of Array, optional
            For each array one of its shape, as a kernel takes it beside the first.
        """
        if not dense([*arrays, *(others or ())]):
            return None
        entries: list[bytes] = []
        total, ends = 0, (0, 0)
        for place, array in enumerate(arrays):
            if not array.size:
                continue
            other = None if others is None else others[place]
            if other is not None and other.shape != array.shape:
                return None
            starts = (array.data.ptr, 0 if other is None else other.data.ptr)
            # Neighbours in memory are one: all gradients of a model, say.
            if starts[0] != ends[0] or (other is not None and starts[1] != ends[1]):
                entries.append(_SEGMENT.pack(*starts, total))
            total += array.size
            ends = (starts[0] + array.nbytes, starts[1] + array.nbytes)
        table, held = self.table(entries or [_SEGMENT.pack(0, 0, 0)], _ROOM)
        return Segments(table, held, total, arrays[0].dtype)

    def segment_kernel(self, name: str, dtype: Any) -> Callable[..., None]:
        """Return a kernel over segments."""
        return self.kernel(name, "clipping.cu", dtype)

    def over_segments(self, name: str, segments: Segments, *arguments: Any) -> None:
        """Launch a kernel that takes segments, how many elements they have, and more, a block for each part."""
        if segments.total:
            kernel = self.segment_kernel(name, segments.dtype)
            grid = grid_over(segments.total, ELEMENTS)
            kernel(grid, (THREADS,), (segments.table, np.int64(segments.total), *arguments))


def dense(arrays: Sequence[Array]) -> bool:
    """Tell whether arrays, at least one, are in C order without gaps, of one dtype that kernels are made for."""
    char = arrays[0].dtype.char
    return char in _CHARS and all(one.dtype.char == char and one.flags.c_contiguous for one in arrays)


def apart(arrays: Sequence[Array]) -> bool:
    """Tell whether no two arrays share memory: only then can all be written into at once."""
    ranges = sorted((one.data.ptr, one.data.ptr + one.nbytes) for one in arrays if one.size)
    return all(before[1] <= after[0] for before, after in pairwise(ranges))
