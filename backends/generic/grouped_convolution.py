"""Generic kernels: convolution over the time axis in groups of features, as one matrix product a group."""

from __future__ import annotations

from lamina.backends.arrays import Array, Saved
from lamina.backends.generic.windows import WindowOperations, Windows
from lamina.backends.kernels import adding

__all__ = ["GroupedConvolutionKernels"]


class GroupedConvolutionKernels(WindowOperations):
    """Convolution of which each group of units sees its own group of features alone."""

    def grouped_conv1d_forward(
        self,
        x: Array,
        w: Array,
        b: Array | None,
        lengths: Array | None,
        output_lengths: Array | None,
        windows: Windows,
    ) -> tuple[Array, Saved]:
        """Return the convolution of each group, side by side.

        Parameters and results are those of `conv1d_forward`, but that w is (size, features / groups, units): group g
        are the g-th features / groups of the features, and the g-th units / groups of the units.
        """
        xp = self.xp
        size, own, units = w.shape
        batch, _, features = x.shape
        groups, rows = features // own, batch * windows.number
        steps = xp.stack(self.window_steps(self.zero_past(x, lengths), 0.0, windows), axis=2)
        columns = xp.reshape(
            self._by_group(xp.reshape(steps, (rows, size, features)), groups), (groups, rows, size * own)
        )
        y = self._together(self.matmul(columns, self._group_weights(w, groups)))
        if b is not None:
            y = y + b
        y = xp.reshape(y, (batch, windows.number, units))
        return self.zero_past(y, output_lengths), (columns, x.shape, lengths, output_lengths, windows)

    @adding
    def grouped_conv1d_backward(
        self, dy: Array, saved: Saved, w: Array, *, input_gradient: bool = True
    ) -> tuple[Array | None, Array, Array]:
        """Return dx (batch, time, features), None without ``input_gradient``, dw and db."""
        xp = self.xp
        columns, (batch, time, features), lengths, output_lengths, windows = saved
        size, own, units = w.shape
        groups, rows, _ = columns.shape
        dy_rows = xp.reshape(self.zero_past(dy, output_lengths), (rows, units))
        dy_groups = self._by_group(dy_rows, groups)
        dw = xp.reshape(self.matmul(self.permute(columns, (0, 2, 1)), dy_groups), (groups, size, own, units // groups))
        dw = xp.reshape(self.permute(dw, (1, 2, 0, 3)), w.shape)
        db = xp.sum(dy_rows, axis=0)
        if not input_gradient:
            return None, dw, db
        dcolumns = self.matmul(dy_groups, self.permute(self._group_weights(w, groups), (0, 2, 1)))
        dsteps = self._together(xp.reshape(dcolumns, (groups, rows, size, own)))
        dsteps = xp.reshape(dsteps, (batch, windows.number, size, features))
        dx = self.add_window_steps([dsteps[:, :, index, :] for index in range(size)], time, windows)
        return self.zero_past(dx, lengths), dw, db

    def _group_weights(self, w: Array, groups: int) -> Array:
        """Return the weights (size, own, units) as (groups, size own, units / groups)."""
        size, own, units = w.shape
        weights = self.permute(self.xp.reshape(w, (size, own, groups, units // groups)), (2, 0, 1, 3))
        return self.xp.reshape(weights, (groups, size * own, units // groups))

    def _by_group(self, array: Array, groups: int) -> Array:
        """Return (..., features) as (groups, ..., features / groups)."""
        *rest, features = array.shape
        split = self.xp.reshape(array, (*rest, groups, features // groups))
        return self.permute(split, (len(rest), *range(len(rest)), len(rest) + 1))

    def _together(self, array: Array) -> Array:
        """Return (groups, ..., own) as (..., groups own): what `_by_group` takes apart."""
        groups, *rest, own = array.shape
        joined = self.permute(array, (*range(1, len(rest) + 1), 0, len(rest) + 1))
        return self.xp.reshape(joined, (*rest, groups * own))
