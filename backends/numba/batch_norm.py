"""Batch normalization on Numba: compiled passes for the statistics, for y, for the weights' gradients and for dx."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from lamina.backends.arrays import Array, Saved
from lamina.backends.numba.passes import CompiledPasses, Strided, address, ends, plain, strided
from lamina.backends.numpy.normalization import limits

__all__ = ["NumbaBatchNormKernels"]


class _Kept(NamedTuple):
    """What backward needs: x as its rows lie, how many of them count, and statistics of the features."""

    x: Strided
    ends: Array | None
    mean: Array
    inverse: Array
    number: int


class NumbaBatchNormKernels(CompiledPasses):
    """Batch normalization, its statistics of blocks of rows; the generic one where squares overflow or vanish."""

    def batch_norm_forward(
        self, x: Array, scale: Array | None, shift: Array | None, lengths: Array | None, *, epsilon: float
    ) -> tuple[Array, tuple[Array, Array, int], Saved]:
        """Normalize every feature over all valid steps of the batch; as the generic kernel."""
        found = self._normalized_batch(x, scale, shift, lengths, epsilon)
        return found or super().batch_norm_forward(x, scale, shift, lengths, epsilon=epsilon)

    def _normalized_batch(
        self, x: Array, scale: Array | None, shift: Array | None, lengths: Array | None, epsilon: float
    ) -> Any:
        """Return what the kernel does; None where it is the generic one's."""
        dtype, features = x.dtype, x.shape[-1]
        if not self.has_pass(x) or not x.size or epsilon < limits(dtype)[1]:
            return None
        rows = strided(x)
        stops = ends(lengths)
        if stops is not None:
            stops = stops * math.prod(x.shape[2:-1])
        blocks = self._batch_parts(rows, stops)
        found, rooms = np.zeros((len(blocks), 2, features)), np.zeros((len(blocks), 2, features), dtype)
        counts = np.zeros(len(blocks), np.int64)
        for number, part in enumerate(blocks):
            part |= {
                "means": address(found[number, 0]), "squares": address(found[number, 1]),
                "room": address(rooms[number]), "count": address(counts[number:]),
            }  # fmt: skip
        self.run_pass("batch_norm", "statistics", dtype, blocks)
        (mean64, squares), done = found[0], int(counts[0])
        for (more_mean, more), count in zip(found[1:], counts[1:].tolist(), strict=True):
            if count:
                delta, share = more_mean - mean64, count / (done + count)
                mean64 += delta * share
                squares += more + delta * delta * (share * done)
                done += count
        if not squares.max() < limits(dtype)[0]:
            return None
        variance = squares / max(done, 1)
        inverse = (1 / np.sqrt(variance + epsilon)).astype(dtype)
        mean = mean64.astype(dtype)
        factor = inverse if scale is None else inverse * scale
        shift = self.zeros((features,), dtype) if shift is None else plain(shift)
        y, out = self.as_lies(x, rows)
        own = {
            "y": out.at, "y_outer": out.outer, "y_inner": out.inner, "mean": address(mean), "a": address(factor),
            "b": address(shift),
        }  # fmt: skip
        self.run_pass("batch_norm", "forward", dtype, [part | own for part in blocks])
        return y, (mean, variance.astype(dtype), done), _Kept(rows, stops, mean, inverse, max(done, 1))

    def batch_norm_backward(self, dy: Array, saved: Saved, scale: Array | None) -> tuple[Array, Array, Array]:
        """Return dx, dscale and dshift; as the generic kernel."""
        if not isinstance(saved, _Kept):
            return super().batch_norm_backward(dy, saved, scale)
        rows, stops, mean, inverse, count = saved
        dtype, features = dy.dtype, dy.shape[-1]
        upstream = strided(dy)
        blocks = self._batch_parts(rows, stops)
        sums, rooms = np.zeros((2, len(blocks), 2, features), dtype)
        for own, room, part in zip(sums, rooms, blocks, strict=True):
            part |= {
                "dy": upstream.at, "dy_outer": upstream.outer, "dy_inner": upstream.inner, "mean": address(mean),
                "a": address(inverse), "sums": address(own), "room": address(room),
            }  # fmt: skip
        self.run_pass("batch_norm", "gradients", dtype, blocks)
        for own in sums[1:]:
            sums[0] += own
        dscale, dshift = sums[0]
        factor = inverse if scale is None else inverse * scale
        means, along = dshift / count, dscale / count * inverse
        dx, out = self.as_lies(dy, rows)
        written = {
            "y": out.at, "y_outer": out.outer, "y_inner": out.inner, "a": address(factor), "b": address(means),
            "c": address(along),
        }  # fmt: skip
        self.run_pass("batch_norm", "backward", dtype, [part | written for part in blocks])
        return dx, dscale, dshift

    def _batch_parts(self, rows: Strided, stops: Array | None) -> list[dict[str, Any]]:
        """Return what the records of all passes over blocks of rows have in common."""
        outer, inner, features = rows.array.shape
        return [
            {
                "first": first, "last": last, "inner": inner, "features": features, "ends": address(stops),
                "x": rows.at, "x_outer": rows.outer, "x_inner": rows.inner,
            }
            for first, last in self.in_parts(outer * inner, rows.array.size)
        ]  # fmt: skip
