"""NumPy's kernel for convolution in groups: the windows of a few rows at a time, while they are in the cache."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.arrays import Array, Saved
from lamina.backends.backend import Backend
from lamina.backends.generic.windows import Windows
from lamina.backends.kernels import adding
from lamina.backends.numpy.padding import clear_past, padded_rows

__all__ = ["NumPyGroupedConvolutionKernels", "by_group", "rows_at_a_time", "strided_steps"]

# How many numbers the windows of one block of rows hold together, as in `numpy.convolution`.
_BLOCK = 1 << 17


class NumPyGroupedConvolutionKernels(Backend):
    """As the generic kernel, one block of rows after another; where each unit is of one feature, without products.

    There the steps of all windows are multiplied by their weights and added up, as many times as a window has steps.
    """

    def grouped_conv1d_forward(
        self,
        x: Array,
        w: Array,
        b: Array | None,
        lengths: Array | None,
        output_lengths: Array | None,
        windows: Windows,
    ) -> tuple[Array, Saved]:
        """Return the convolution of each group, side by side; as the generic kernel."""
        batch, _, features = x.shape
        size, own, units = w.shape
        # Each feature as many times as it has units, so that all goes unit by unit.
        repeated = np.repeat(x, units // features, axis=2) if own == 1 and units > features else x
        padded = padded_rows(self, repeated, lengths, windows)
        y = self.empty((batch, windows.number, units), x.dtype)
        step = rows_at_a_time(batch, windows, padded.shape[2])
        room = self.empty((step, windows.number, units if own == 1 else size * features), x.dtype)
        weights = None if own == 1 else _weights(w, features // own)
        for start in range(0, batch, step):
            rows = slice(start, min(start + step, batch))
            if weights is None:
                part = room[: rows.stop - start]
                np.multiply(padded[rows, windows.places(0)], w[0, 0], out=y[rows])
                for index in range(1, size):
                    np.multiply(padded[rows, windows.places(index)], w[index, 0], out=part)
                    y[rows] += part
            else:
                columns = _columns(padded[rows], windows, room, len(weights))
                np.matmul(columns, weights, out=by_group(y[rows].reshape(-1, units), len(weights)))
        if b is not None:
            y += b
        clear_past(self, y, output_lengths)
        return y, (padded, x.shape, lengths, output_lengths, windows)

    @adding
    def grouped_conv1d_backward(
        self, dy: Array, saved: Saved, w: Array, *, input_gradient: bool = True
    ) -> tuple[Array | None, Array, Array]:
        """Return dx, dw and db; as the generic kernel."""
        padded, (_, time, features), lengths, output_lengths, windows = saved
        _, own, units = w.shape
        dy = np.ascontiguousarray(self.zero_past(dy, output_lengths))
        gradient = self.zeros(padded.shape, padded.dtype) if input_gradient else None
        run = self._by_feature if own == 1 else self._by_products
        dw = run(dy, padded, w, windows, gradient)
        dx = None if gradient is None else gradient[:, windows.before : windows.before + time]
        if dx is not None and dx.shape[2] > features:
            dx = sum(dx[:, :, unit :: units // features] for unit in range(units // features))
        if dx is not None:
            clear_past(self, dx, lengths)
        return dx, dw, dy.reshape(-1, units).sum(axis=0)

    def _by_feature(self, dy: Array, padded: Array, w: Array, windows: Windows, gradient: Array | None) -> Array:
        """Return dw where each unit is of one feature; add to the gradient of the padded x."""
        batch, units = dy.shape[0], w.shape[2]
        dw = self.zeros(w.shape, w.dtype)
        step = rows_at_a_time(batch, windows, units)
        room, ones = self.empty((step, windows.number, units), w.dtype), np.ones(step * windows.number, w.dtype)
        for start in range(0, batch, step):
            rows = slice(start, min(start + step, batch))
            part = room[: rows.stop - start]
            for index in range(windows.size):
                place = windows.places(index)
                np.multiply(padded[rows, place], dy[rows], out=part)
                dw[index, 0] += ones[: part.shape[0] * part.shape[1]] @ part.reshape(-1, units)
                if gradient is not None:
                    np.multiply(dy[rows], w[index, 0], out=part)
                    gradient[rows, place] += part
        return dw

    def _by_products(self, dy: Array, padded: Array, w: Array, windows: Windows, gradient: Array | None) -> Array:
        """Return dw of groups of several features; add to the gradient of the padded x."""
        batch, number, units = dy.shape
        size, own, _ = w.shape
        features = padded.shape[2]
        groups = features // own
        weights = _weights(w, groups)
        back = np.ascontiguousarray(weights.transpose(0, 2, 1))
        dw = self.zeros(weights.shape, w.dtype)
        part = self.empty(dw.shape, w.dtype)
        step = rows_at_a_time(batch, windows, features)
        room, parts = self.empty((2, step, number, size * features), w.dtype)
        for start in range(0, batch, step):
            rows = slice(start, min(start + step, batch))
            block = by_group(dy[rows].reshape(-1, units), groups)
            columns = _columns(padded[rows], windows, room, groups)
            np.matmul(columns.transpose(0, 2, 1), block, out=part)
            dw += part
            if gradient is None:
                continue
            shape = groups, rows.stop - start, number, size, own
            dcolumns = parts[: rows.stop - start].reshape(shape)
            np.matmul(block, back, out=dcolumns.reshape(groups, -1, size * own))
            for index in range(size):
                place = gradient[rows, windows.places(index)].reshape(shape[1], number, groups, own)
                place += dcolumns[:, :, :, index].transpose(1, 2, 0, 3)
        return dw.reshape(groups, size, own, -1).transpose(1, 2, 0, 3).reshape(w.shape)


def rows_at_a_time(batch: int, windows: Windows, features: int) -> int:
    """Return how many rows one block has."""
    return max(min(_BLOCK // max(windows.number * windows.size * features, 1), batch), 1)


def by_group(rows: Array, groups: int) -> Array:
    """Return (rows, features) as a view (groups, rows, features / groups)."""
    return rows.reshape(rows.shape[0], groups, rows.shape[1] // groups).transpose(1, 0, 2)


def strided_steps(padded: Array, windows: Windows, groups: int) -> Array:
    """Return a view of every window's steps: (groups, rows, number, size, features / groups)."""
    rows, _, features = padded.shape
    row, step, feature = padded.strides
    own = features // groups
    steps: Any = np.lib.stride_tricks.as_strided(
        padded,
        (groups, rows, windows.number, windows.size, own),
        (own * feature, row, windows.stride * step, windows.dilation * step, feature),
        writeable=False,
    )
    return steps


def _columns(padded: Array, windows: Windows, room: Array, groups: int) -> Array:
    """Return every window's steps side by side, in the room given: (groups, rows number, size own)."""
    steps = strided_steps(padded, windows, groups)
    columns = room[: padded.shape[0]].reshape(steps.shape)
    columns[...] = steps
    return columns.reshape(groups, -1, windows.size * steps.shape[-1])


def _weights(w: Array, groups: int) -> Array:
    """Return the weights (size, own, units) as (groups, size own, units / groups)."""
    size, own, units = w.shape
    return w.reshape(size, own, groups, units // groups).transpose(2, 0, 1, 3).reshape(groups, size * own, -1)
