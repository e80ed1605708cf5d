"""Convolution on Numba: one compiled pass forward, and one back."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.arrays import Array, Saved
from lamina.backends.generic.windows import Windows
from lamina.backends.kernels import adding
from lamina.backends.numba.passes import CompiledPasses, address, ends, plain, strided
from lamina.backends.numpy.convolution import NumPyConvolutionKernels

__all__ = ["NumbaConvolutionKernels"]


class NumbaConvolutionKernels(CompiledPasses, NumPyConvolutionKernels):
    """Convolution row by row: its steps between zeros, then products over these as they lie, for all windows at once.

    Windows past a row's end are not computed.
    """

    def conv1d_forward(
        self,
        x: Array,
        w: Array,
        b: Array | None,
        lengths: Array | None,
        output_lengths: Array | None,
        windows: Windows,
    ) -> tuple[Array, Saved]:
        """Return y_j = sum_i x_(j stride - before + i dilation) w_i + b; as the generic kernel."""
        if not self.has_pass(x, w):
            return super().conv1d_forward(x, w, b, lengths, output_lengths, windows)
        own_ends, stops = ends(lengths), ends(output_lengths)
        y = self.empty((len(x), windows.number, w.shape[2]), x.dtype)
        given = _Given(x, plain(w), own_ends, stops, windows)
        packed = w.shape[0] * w.shape[1] * self.packed_columns(w.shape[2], x.dtype)
        b = None if b is None else plain(b)
        own = {"y": address(y), "y_row": windows.number * w.shape[2], "b": address(b)}
        rooms, parts = [], []
        for first, last in self.in_parts(len(x), given.work):
            rooms.append(self.empty((given.padded + packed,), x.dtype))
            parts.append(given.record(first, last, rooms[-1]) | own)
        self.run_pass("convolution", "forward", x.dtype, parts)
        return y, (x, own_ends, stops, windows)

    @adding
    def conv1d_backward(
        self, dy: Array, saved: Saved, w: Array, *, input_gradient: bool = True
    ) -> tuple[Array | None, Array, Array]:
        """Return dx, dw and db; as the generic kernel."""
        if len(saved) != 4:
            return super().conv1d_backward(dy, saved, w, input_gradient=input_gradient)
        x, own_ends, stops, windows = saved
        size, features, units = w.shape
        given, upstream = _Given(x, plain(w), own_ends, stops, windows), strided(dy)
        dx = self.empty(x.shape, x.dtype) if input_gradient else None
        across = self.packed_columns(features, x.dtype)
        packed, back = 128 * self.packed_columns(units, x.dtype), size * units * across if input_gradient else 0
        own = {
            "dy": upstream.at, "y_row": upstream.outer, "y_step": upstream.inner, "dx": address(dx),
            "dx_row": x.shape[1] * features, "across": across,
        }  # fmt: skip
        blocks = self.in_parts(len(x), given.work)
        sums = np.zeros((len(blocks), size * features * units + 2 * units), x.dtype)
        rooms, parts = [], []
        for (first, last), found in zip(blocks, sums, strict=True):
            rooms.append(self.empty((given.padded + packed + back,), x.dtype))
            part = given.record(first, last, rooms[-1]) | own
            part["dw"] = address(found)
            part["db"] = part["dw"] + x.itemsize * size * features * units
            part["back"] = part["packed"] + x.itemsize * packed
            parts.append(part)
        self.run_pass("convolution", "backward", x.dtype, parts)
        total = sums[0]
        for found in sums[1:]:
            total += found
        dw, db = np.split(total[: total.size - units], [w.size])
        return dx, dw.reshape(w.shape), db


class _Given:
    """What both passes read.

    Attributes
    ----------
    padded : int
        How many numbers a row has with what its windows have beside it.
    work : int
        Multiplications.
    """

    def __init__(self, x: Array, w: Array, lengths: Array | None, stops: Array | None, windows: Windows) -> None:
        self.x, self.w, self.lengths, self.stops, self.windows = strided(x), w, lengths, stops, windows
        self.padded = windows.extent * x.shape[2]
        self.work = len(x) * windows.number * w.size

    def record(self, first: int, last: int, room: Array) -> dict[str, Any]:
        """Return what the record of a pass over some rows holds, with room for padded steps and then packed weights."""
        (_, time, features), windows, at = self.x.array.shape, self.windows, address(room)
        return {
            "first": first, "last": last, "time": time, "features": features, "units": self.w.shape[2],
            "size": windows.size, "number": windows.number, "stride": windows.stride, "dilation": windows.dilation,
            "before": windows.before, "extent": windows.extent, "x": self.x.at, "x_row": self.x.outer,
            "x_step": self.x.inner, "w": address(self.w), "ends": address(self.lengths), "stops": address(self.stops),
            "padded": at, "packed": at + room.itemsize * self.padded,
        }  # fmt: skip
