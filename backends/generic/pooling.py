"""Generic kernels: pooling over the time axis, in windows or over each whole row."""

from __future__ import annotations

import numpy as np

from lamina.backends.arrays import Array, Saved
from lamina.backends.generic.windows import WindowOperations, Windows

__all__ = ["PoolingKernels"]


class PoolingKernels(WindowOperations):
    """Maxima and averages of valid steps. Where several steps hold the maximum, the first one gets the gradient."""

    def max_pool_forward(
        self, x: Array, lengths: Array | None, output_lengths: Array | None, windows: Windows
    ) -> tuple[Array, Saved]:
        """Return the maximum of each window's valid steps, 0 where it has none.

        Parameters
        ----------
        x : (batch, time, features)
        lengths, output_lengths : (batch,) integers on the host, or None
            How many steps of x and of y are valid. Windows without a dilation hold a valid step each, if they are.
        windows : Windows

        Returns
        -------
        y : (batch, number, features), 0 past each row's end
        saved : for `max_pool_backward`
        """
        xp = self.xp
        steps = self.window_steps(self._lowest_past(x, lengths), -float("inf"), windows)
        candidates = xp.stack(steps, axis=0)
        y = xp.max(candidates, axis=0)
        if windows.dilation > 1:
            y = self.zero_empty(y, x, lengths, windows)
        return self.zero_past(y, output_lengths), (
            xp.argmax(candidates, axis=0),
            x.shape[1],
            lengths,
            output_lengths,
            windows,
        )

    def max_pool_backward(self, dy: Array, saved: Saved) -> Array:
        """Return dx (batch, time, features): dy at each window's maximum."""
        where, time, lengths, output_lengths, windows = saved
        dy, zero = self.zero_past(dy, output_lengths), self.zeros((), dy.dtype)
        parts = [self.xp.where(where == index, dy, zero) for index in range(windows.size)]
        return self.zero_past(self.add_window_steps(parts, time, windows), lengths)

    def zero_empty(self, y: Array, x: Array, lengths: Array | None, windows: Windows) -> Array:
        """Return the windows' maxima with 0 for those without a valid step, which there are with a dilation alone."""
        empty = windows.inside(0, x.shape[1] if lengths is None else lengths) == 0
        return self.xp.where(self.constant(empty)[:, :, None], self.zeros((), y.dtype), y) if empty.any() else y

    def average_pool_forward(
        self,
        x: Array,
        lengths: Array | None,
        output_lengths: Array | None,
        windows: Windows,
        *,
        after: int | None = None,
    ) -> tuple[Array, Saved]:
        """Return the average of each window's valid steps, 0 where it has none.

        Parameters and results are those of `max_pool_forward`, and

        after : int, optional
            How many steps past each row's end count, as 0, with those before it; if not given, none of both.
        """
        xp = self.xp
        if after is not None:
            stops = (x.shape[1] if lengths is None else lengths) + after
            steps = np.maximum(windows.inside(-windows.before, stops), 1)
            count = self.astype(self.constant(steps), x.dtype)[:, :, None]
            total = sum(self.window_steps(self.zero_past(x, lengths), 0.0, windows))
            return self.zero_past(total / count, output_lengths), (count, x.shape[1], lengths, output_lengths, windows)
        ones = self.full((1, x.shape[1], 1), 1, x.dtype)
        if lengths is not None:
            ones = xp.astype(self.valid_steps(lengths, x.shape[1])[:, :, None], x.dtype)
        total = sum(self.window_steps(self.zero_past(x, lengths), 0.0, windows))
        count = sum(self.window_steps(ones, 0.0, windows))
        count = xp.maximum(count, self.full((), 1, x.dtype))
        return self.zero_past(total / count, output_lengths), (count, x.shape[1], lengths, output_lengths, windows)

    def average_pool_backward(self, dy: Array, saved: Saved) -> Array:
        """Return dx (batch, time, features): each window's dy, divided among its valid steps."""
        count, time, lengths, output_lengths, windows = saved
        share = self.zero_past(dy, output_lengths) / count
        return self.zero_past(self.add_window_steps([share] * windows.size, time, windows), lengths)

    def global_max_pool_forward(self, x: Array, lengths: Array | None) -> tuple[Array, Saved]:
        """Return the maximum of each row's valid steps, 0 for an empty row.

        Parameters
        ----------
        x : (batch, time, features)
        lengths : (batch,) integers on the host, or None

        Returns
        -------
        y : (batch, features)
        saved : for `global_max_pool_backward`
        """
        xp = self.xp
        batch, time, features = x.shape
        if not time:
            return self.zeros((batch, features), x.dtype), (None, time, lengths)
        candidates = self._lowest_past(x, lengths)
        y = xp.max(candidates, axis=1)
        if lengths is not None:
            y = xp.where(self.constant(lengths, "int64")[:, None] > 0, y, self.zeros((), x.dtype))
        return y, (xp.argmax(candidates, axis=1), time, lengths)

    def global_max_pool_backward(self, dy: Array, saved: Saved) -> Array:
        """Return dx (batch, time, features): dy at each row's maximum."""
        where, time, lengths = saved
        if not time:
            return self.zeros((dy.shape[0], 0, dy.shape[1]), dy.dtype)
        steps = self.xp.arange(time, dtype=where.dtype)
        hits = steps[None, :, None] == where[:, None, :]
        return self.zero_past(self.xp.where(hits, dy[:, None, :], self.zeros((), dy.dtype)), lengths)

    def global_average_pool_forward(self, x: Array, lengths: Array | None) -> tuple[Array, Saved]:
        """Return the average of each row's valid steps; parameters and shapes as of `global_max_pool_forward`."""
        xp = self.xp
        batch, time, _ = x.shape
        lengths_or_time = self.full((batch,), time, self.dtype("int64")) if lengths is None else lengths
        count = xp.astype(self.constant(lengths_or_time, "int64"), x.dtype)[:, None]
        count = xp.maximum(count, self.full((), 1, x.dtype))
        return xp.sum(self.zero_past(x, lengths), axis=1) / count, (count, time, lengths)

    def global_average_pool_backward(self, dy: Array, saved: Saved) -> Array:
        """Return dx (batch, time, features): each row's dy, divided among its valid steps."""
        count, time, lengths = saved
        share = (dy / count)[:, None, :]
        share = self.xp.broadcast_to(share, (dy.shape[0], time, dy.shape[1]))
        return self.copy(share) if lengths is None else self.zero_past(share, lengths)

    def join_maxima(self, before: Array, counts: Array, y: Array, lengths: Array) -> tuple[Array, Array]:
        """Return the maxima of each row's steps so far, from those before and those of the next steps.

        Parameters
        ----------
        before, y : (batch, features)
            The maxima of the steps before and of the next ones; 0 where there are none.
        counts, lengths : (batch,) integers on the host
            How many steps each row had before, and has now.

        Returns
        -------
        y : (batch, features)
        share : what goes of its gradient to that of the next steps, as it broadcasts to (batch, features)
        """
        xp = self.xp
        had, has = (self.constant(steps > 0)[:, None] for steps in (counts, lengths))
        share = has & (~had | (y > before))
        largest = xp.where(had & has, xp.maximum(before, y), xp.where(has, y, before))
        return largest, xp.astype(share, y.dtype)

    def join_averages(self, before: Array, counts: Array, y: Array, lengths: Array) -> tuple[Array, Array]:
        """Return the averages of each row's steps so far; parameters and results as of `join_maxima`."""
        total = np.maximum(counts + lengths, 1)
        share, rest = (self.astype(self.constant(part / total), y.dtype)[:, None] for part in (lengths, counts))
        return before * rest + y * share, share

    def _lowest_past(self, x: Array, lengths: Array | None) -> Array:
        """Return x with -infinity past each row's end; itself without lengths."""
        if lengths is None:
            return x
        valid = self.valid_steps(lengths, x.shape[1])[:, :, None]
        return self.xp.where(valid, x, self.full((), -float("inf"), x.dtype))
