"""NumPy's kernel for transposed convolution: the windows of a few rows at a time, while they are in the cache."""

from __future__ import annotations

import numpy as np

from lamina.backends.arrays import Array, Saved
from lamina.backends.backend import Backend
from lamina.backends.generic.windows import Windows
from lamina.backends.kernels import adding
from lamina.backends.numpy.grouped_convolution import by_group, rows_at_a_time, strided_steps
from lamina.backends.numpy.padding import clear_past, padded_rows

__all__ = ["NumPyTransposedConvolutionKernels"]


class NumPyTransposedConvolutionKernels(Backend):
    """As the generic kernel, with the windows of one block of rows after another: they are never held as a whole."""

    def conv1d_transpose_forward(
        self,
        x: Array,
        w: Array,
        b: Array | None,
        lengths: Array | None,
        output_lengths: Array | None,
        windows: Windows,
        time: int,
        groups: int,
    ) -> tuple[Array, Saved]:
        """Return y, in which x_j w_i is added to step j stride - before + i dilation; as the generic kernel."""
        x = np.ascontiguousarray(self.zero_past(x, lengths))
        batch, number, features = x.shape
        size, _, own = w.shape
        units = groups * own
        weights = _weights(w, groups)
        padded = self.zeros((batch, max(windows.extent, windows.before + time), units), x.dtype)
        step = rows_at_a_time(batch, windows, units)
        room = self.empty((step, number, size * units), x.dtype)
        for start in range(0, batch, step):
            rows = slice(start, min(start + step, batch))
            parts = room[: rows.stop - start].reshape(groups, -1, size * own)
            np.matmul(by_group(x[rows].reshape(-1, features), groups), weights, out=parts)
            parts = parts.reshape(groups, rows.stop - start, number, size, own)
            for index in range(size):
                place = padded[rows, windows.places(index)].reshape(rows.stop - start, number, groups, own)
                place += parts[:, :, :, index].transpose(1, 2, 0, 3)
        y = padded[:, windows.before : windows.before + time]
        if b is not None:
            y += b
        clear_past(self, y, output_lengths)
        return y, (x, lengths, output_lengths, windows, groups)

    @adding
    def conv1d_transpose_backward(
        self, dy: Array, saved: Saved, w: Array, *, input_gradient: bool = True
    ) -> tuple[Array | None, Array, Array]:
        """Return dx, dw and db; as the generic kernel."""
        x, lengths, output_lengths, windows, groups = saved
        batch, number, features = x.shape
        size, _, own = w.shape
        units = groups * own
        padded = padded_rows(self, dy, output_lengths, windows)
        back = np.ascontiguousarray(_weights(w, groups).transpose(0, 2, 1))
        dw = self.zeros((groups, features // groups, size * own), w.dtype)
        part = self.empty(dw.shape, w.dtype)
        dx = self.empty(x.shape, x.dtype) if input_gradient else None
        step = rows_at_a_time(batch, windows, units)
        room = self.empty((step, number, size * units), w.dtype)
        for start in range(0, batch, step):
            rows = slice(start, min(start + step, batch))
            steps = strided_steps(padded[rows], windows, groups)
            columns = room[: rows.stop - start].reshape(steps.shape)
            columns[...] = steps
            columns = columns.reshape(groups, -1, size * own)
            np.matmul(by_group(x[rows].reshape(-1, features), groups).transpose(0, 2, 1), columns, out=part)
            dw += part
            if dx is not None:
                np.matmul(columns, back, out=by_group(dx[rows].reshape(-1, features), groups))
        if dx is not None:
            clear_past(self, dx, lengths)
        within = padded[:, windows.before : windows.before + dy.shape[1]]
        return dx, dw.reshape(features, size, own).transpose(1, 0, 2), within.sum(axis=(0, 1))


def _weights(w: Array, groups: int) -> Array:
    """Return the weights (size, features, own) as (groups, features / groups, size own)."""
    size, features, own = w.shape
    return w.reshape(size, groups, -1, own).transpose(1, 2, 0, 3).reshape(groups, features // groups, size * own)
