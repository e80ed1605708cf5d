"""NumPy's kernel for convolution: the windows of a few rows at a time, while they are in the cache."""

from __future__ import annotations

import numpy as np

from lamina.backends.arrays import Array, Saved
from lamina.backends.backend import Backend
from lamina.backends.generic.windows import Windows
from lamina.backends.kernels import adding
from lamina.backends.numpy.padding import clear_past, padded_rows
from lamina.backends.numpy.winograd import pairs_backward, pairs_forward, pairs_pay

__all__ = ["NumPyConvolutionKernels"]

# How many numbers the windows of one block of rows hold together. Half as many and twice as many were no faster.
_BLOCK = 1 << 17


class NumPyConvolutionKernels(Backend):
    """Convolution as the generic kernel, with the windows side by side for one block of rows after another.

    So the windows, ``size`` times as large as x, are never held as a whole: only the padded x is saved.
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
        batch, _, features = x.shape
        size, _, units = w.shape
        if pairs_pay(windows, batch, features, units):
            x = self.zero_past(x, lengths)
            y = self.empty((batch, windows.number, units), x.dtype)
            pairs_forward(x, w, b, windows, y)
            clear_past(self, y, output_lengths)
            return y, (x, x.shape, lengths, output_lengths, windows)
        padded = padded_rows(self, x, lengths, windows)
        y = self.empty((batch, windows.number, units), x.dtype)
        weights = w.reshape(size * features, units)
        step = _rows_of_a_block(batch, windows, features)
        room = self.empty((step, windows.number, size, features), x.dtype)
        for start in range(0, batch, step):
            rows = slice(start, min(start + step, batch))
            np.matmul(_columns(padded[rows], windows, room), weights, out=y[rows].reshape(-1, units))
        if b is not None:
            y += b
        clear_past(self, y, output_lengths)
        return y, (padded, x.shape, lengths, output_lengths, windows)

    @adding
    def conv1d_backward(
        self, dy: Array, saved: Saved, w: Array, *, input_gradient: bool = True
    ) -> tuple[Array | None, Array, Array]:
        """Return dx, dw and db; as the generic kernel."""
        padded, (batch, time, features), lengths, output_lengths, windows = saved
        size, _, units = w.shape
        dy = np.ascontiguousarray(self.zero_past(dy, output_lengths))
        db = np.ones(batch * windows.number, dy.dtype) @ dy.reshape(-1, units)
        if pairs_pay(windows, batch, features, units):
            dx = self.empty((batch, time, features), dy.dtype) if input_gradient else None
            dw = pairs_backward(padded, dy, w, windows, dx)
            if dx is not None:
                clear_past(self, dx, lengths)
            return dx, dw, db
        gradient = self.zeros(padded.shape, padded.dtype) if input_gradient else None
        back = np.ascontiguousarray(w.reshape(size * features, units).T)
        dw = self.zeros((size * features, units), w.dtype)
        # Room for one block, used again by the next, so that it stays in the cache.
        step = _rows_of_a_block(batch, windows, features)
        room, parts = self.empty((2, step, windows.number, size, features), w.dtype)
        dw_part = self.empty(dw.shape, w.dtype)
        for start in range(0, batch, step):
            rows = slice(start, min(start + step, batch))
            block = dy[rows].reshape(-1, units)
            np.matmul(_columns(padded[rows], windows, room).T, block, out=dw_part)
            dw += dw_part
            if gradient is None:
                continue
            part = parts[: rows.stop - start]
            np.matmul(block, back, out=part.reshape(-1, size * features))
            for index in range(size):
                gradient[rows, windows.places(index)] += part[:, :, index]
        dx = None if gradient is None else gradient[:, windows.before : windows.before + time]
        if dx is not None:
            clear_past(self, dx, lengths)
        return dx, dw.reshape(w.shape), db


def _rows_of_a_block(batch: int, windows: Windows, features: int) -> int:
    """Return how many rows are taken at a time."""
    return max(min(_BLOCK // max(windows.number * windows.size * features, 1), batch), 1)


def _columns(padded: Array, windows: Windows, room: Array) -> Array:
    """Return every window's steps side by side, in the room given: (rows number, size features)."""
    rows, _, features = padded.shape
    row, step, feature = padded.strides
    steps = np.lib.stride_tricks.as_strided(
        padded,
        (rows, windows.number, windows.size, features),
        (row, windows.stride * step, windows.dilation * step, feature),
        writeable=False,
    )
    columns = room[:rows]
    columns[...] = steps
    return columns.reshape(rows * windows.number, windows.size * features)
