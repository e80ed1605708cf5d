"""Generic kernels: convolution over the time axis, as one matrix product."""

from __future__ import annotations

from lamina.backends.arrays import Array, Saved
from lamina.backends.generic.windows import WindowOperations, Windows
from lamina.backends.kernels import adding

__all__ = ["ConvolutionKernels"]


class ConvolutionKernels(WindowOperations):
    """Convolution: the windows' steps side by side, times the weights."""

    def conv1d_forward(
        self,
        x: Array,
        w: Array,
        b: Array | None,
        lengths: Array | None,
        output_lengths: Array | None,
        windows: Windows,
    ) -> tuple[Array, Saved]:
        """Return y_j = sum_i x_(j stride - before + i dilation) w_i + b, with x = 0 outside of each row.

        Parameters
        ----------
        x : (batch, time, features)
        w : (size, features, units); b : (units,) or None
        lengths : (batch,) integers on the host, or None
            Past a row's end x is not used and gets no gradient.
        output_lengths : (batch,) integers on the host, or None
            Past it y is 0, and its gradient is not used.
        windows : Windows

        Returns
        -------
        y : (batch, number, units)
        saved : for `conv1d_backward`
        """
        xp = self.xp
        size, features, units = w.shape
        rows = x.shape[0] * windows.number
        steps = self.window_steps(self.zero_past(x, lengths), 0.0, windows)
        columns = xp.reshape(xp.concat(steps, axis=-1), (rows, size * features))
        y = self.matmul(columns, xp.reshape(w, (size * features, units)))
        if b is not None:
            y = y + b
        y = xp.reshape(y, (x.shape[0], windows.number, units))
        return self.zero_past(y, output_lengths), (columns, x.shape, lengths, output_lengths, windows)

    @adding
    def conv1d_backward(
        self, dy: Array, saved: Saved, w: Array, *, input_gradient: bool = True
    ) -> tuple[Array | None, Array, Array]:
        """Return dx (batch, time, features), None without ``input_gradient``, dw and db."""
        xp = self.xp
        columns, shape, lengths, output_lengths, windows = saved
        size, features, units = w.shape
        dy_rows = xp.reshape(self.zero_past(dy, output_lengths), (columns.shape[0], units))
        dw = xp.reshape(self.matmul(columns.T, dy_rows), w.shape)
        db = xp.sum(dy_rows, axis=0)
        if not input_gradient:
            return None, dw, db
        dcolumns = self.matmul(dy_rows, xp.reshape(w, (size * features, units)).T)
        dcolumns = xp.reshape(dcolumns, (shape[0], windows.number, size * features))
        dx = self.add_window_steps(self.split(dcolumns, [features] * size, -1), shape[1], windows)
        return self.zero_past(dx, lengths), dw, db
