"""NumPy's kernel for the maxima of windows: one running maximum."""

from __future__ import annotations

import numpy as np

from lamina.backends.arrays import Array, Saved
from lamina.backends.backend import Backend
from lamina.backends.generic.windows import Windows
from lamina.backends.numpy.padding import clear_past

__all__ = ["NumPyPoolingKernels"]


class NumPyPoolingKernels(Backend):
    """Maxima as the generic kernel finds them, without all candidates beside each other."""

    def max_pool_forward(
        self, x: Array, lengths: Array | None, output_lengths: Array | None, windows: Windows
    ) -> tuple[Array, Saved]:
        """Return the maximum of each window's valid steps; as the generic kernel."""
        steps = self.window_steps(self._lowest_past(x, lengths), -np.inf, windows)
        y = steps[0].copy()
        # In the narrowest type that holds every index: it is what the time goes into.
        where = np.zeros(y.shape, np.min_scalar_type(windows.size - 1))
        above = np.empty(y.shape, bool)
        for index in range(1, windows.size):
            np.greater(steps[index], y, out=above)
            np.copyto(where, index, where=above)
            np.maximum(y, steps[index], out=y)  # NaN too
        if windows.dilation > 1:
            y = self.zero_empty(y, x, lengths, windows)
        clear_past(self, y, output_lengths)
        return y, (where, x.shape[1], lengths, output_lengths, windows)

    def max_pool_backward(self, dy: Array, saved: Saved) -> Array:
        """Return dx (batch, time, features): dy at each window's maximum."""
        where, time, lengths, output_lengths, windows = saved
        batch, _, features = dy.shape
        dy = self.zero_past(dy, output_lengths)
        total = self.zeros((batch, max(windows.extent, windows.before + time), features), dy.dtype)
        hit, part = np.empty(dy.shape, bool), self.empty(dy.shape, dy.dtype)
        for index in range(windows.size):
            np.equal(where, index, out=hit)
            np.multiply(dy, hit, out=part)  # four times as fast as to add where it hits
            total[:, windows.places(index)] += part
        dx = total[:, windows.before : windows.before + time]
        clear_past(self, dx, lengths)
        return dx
