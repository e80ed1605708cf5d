"""Generic kernels: transposed convolution over the time axis, as one matrix product a group."""

from __future__ import annotations

from lamina.backends.arrays import Array, Saved
from lamina.backends.generic.grouped_convolution import GroupedConvolutionKernels
from lamina.backends.generic.windows import Windows
from lamina.backends.kernels import adding

__all__ = ["TransposedConvolutionKernels"]


class TransposedConvolutionKernels(GroupedConvolutionKernels):
    """The transpose of convolution: each step of x adds a window to y."""

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
        """Return y, in which x_j w_i is added to step j stride - before + i dilation.

        Parameters
        ----------
        x : (batch, number, features)
        w : (size, features, units / groups); b : (units,) or None
        lengths : (batch,) integers on the host, or None
            Past a row's end x is not used and gets no gradient.
        output_lengths : (batch,) integers on the host, or None
            Past it y is 0, and its gradient is not used.
        windows : Windows
            Over y: one for each step of x.
        time : int
            How many steps y has; what lies beyond is cut off.
        groups : int
            Into how many features and units are cut, side by side.

        Returns
        -------
        y : (batch, time, units)
        saved : for `conv1d_transpose_backward`
        """
        xp = self.xp
        size, features, own = w.shape
        batch, number, _ = x.shape
        x_groups = self._by_group(xp.reshape(self.zero_past(x, lengths), (batch * number, features)), groups)
        steps = self.matmul(x_groups, self._transposed_weights(w, groups))
        steps = self._together(xp.reshape(steps, (groups, batch * number, size, own)))
        steps = xp.reshape(steps, (batch, number, size, groups * own))
        y = self.add_window_steps([steps[:, :, index, :] for index in range(size)], time, windows)
        if b is not None:
            y = y + b
        return self.zero_past(y, output_lengths), (x_groups, lengths, output_lengths, windows)

    @adding
    def conv1d_transpose_backward(
        self, dy: Array, saved: Saved, w: Array, *, input_gradient: bool = True
    ) -> tuple[Array | None, Array, Array]:
        """Return dx (batch, number, features), None without ``input_gradient``, dw and db."""
        xp = self.xp
        x_groups, lengths, output_lengths, windows = saved
        size, features, own = w.shape
        groups, rows, _ = x_groups.shape
        batch, _, units = dy.shape
        dy = self.zero_past(dy, output_lengths)
        steps = xp.reshape(xp.stack(self.window_steps(dy, 0.0, windows), axis=2), (rows, size, units))
        dsteps = xp.reshape(self._by_group(steps, groups), (groups, rows, size * own))
        dw = xp.reshape(self.matmul(self.permute(x_groups, (0, 2, 1)), dsteps), (features, size, own))
        dw, db = self.permute(dw, (1, 0, 2)), xp.sum(dy, axis=(0, 1))
        if not input_gradient:
            return None, dw, db
        dx = self._together(self.matmul(dsteps, self.permute(self._transposed_weights(w, groups), (0, 2, 1))))
        dx = xp.reshape(dx, (batch, windows.number, features))
        return self.zero_past(dx, lengths), dw, db

    def _transposed_weights(self, w: Array, groups: int) -> Array:
        """Return the weights (size, features, own) as (groups, features / groups, size own)."""
        size, features, own = w.shape
        weights = self.permute(self.xp.reshape(w, (size, groups, features // groups, own)), (1, 2, 0, 3))
        return self.xp.reshape(weights, (groups, features // groups, size * own))
