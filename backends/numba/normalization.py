"""Normalization on Numba, over features and over a batch: compiled passes forward and back."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from lamina.backends.arrays import Array, Saved
from lamina.backends.kernels import adding
from lamina.backends.numba.passes import CompiledPasses, Strided, address, ends, plain, strided
from lamina.backends.numpy.normalization import NumPyNormalizationKernels, limits

__all__ = ["NumbaBatchNormKernels", "NumbaNormalizationKernels"]


class _Kept(NamedTuple):
    """What backward needs: x as its rows lie, and per row the mean (0 for none) and 1 / the deviation."""

    x: Strided
    rows: Array
    centre: bool


class NumbaNormalizationKernels(CompiledPasses, NumPyNormalizationKernels):
    """Normalization row by row; NumPy's where a square would overflow or vanish."""

    def layer_norm_forward(
        self, x: Array, scale: Array | None, shift: Array | None, *, epsilon: float
    ) -> tuple[Array, Saved]:
        """Return y = (x - mean) / sqrt(variance + epsilon) scale + shift; as the generic kernel."""
        found = self._pass(x, scale, shift, epsilon, centre=True)
        return found or super().layer_norm_forward(x, scale, shift, epsilon=epsilon)

    @adding
    def layer_norm_backward(self, dy: Array, saved: Saved, scale: Array | None) -> tuple[Array, Array, Array]:
        """Return dx, dscale and dshift; as the generic kernel."""
        if not isinstance(saved, _Kept):
            return super().layer_norm_backward(dy, saved, scale)
        return self._pass_back(dy, saved, scale)

    def rms_norm_forward(self, x: Array, scale: Array | None, *, epsilon: float) -> tuple[Array, Saved]:
        """Return y = x / sqrt(mean(x^2) + epsilon) scale; as the generic kernel."""
        found = self._pass(x, scale, None, epsilon, centre=False)
        return found or super().rms_norm_forward(x, scale, epsilon=epsilon)

    @adding
    def rms_norm_backward(self, dy: Array, saved: Saved, scale: Array | None) -> tuple[Array, Array]:
        """Return dx and dscale; as the generic kernel."""
        if not isinstance(saved, _Kept):
            return super().rms_norm_backward(dy, saved, scale)
        return self._pass_back(dy, saved, scale)[:2]

    def _pass(
        self, x: Array, scale: Array | None, shift: Array | None, epsilon: float, centre: bool
    ) -> tuple[Array, _Kept] | None:
        """Return y and what backward needs; None where a square would overflow, vanish or lose digits."""
        features = x.shape[-1]
        if not self.has_pass(x) or not x.size:
            return None
        most, least = limits(x.dtype)
        if epsilon < least:
            return None
        rows = strided(x)
        y, out = self.as_lies(x, rows)
        outer, inner, _ = rows.array.shape
        kept = self.empty((outer * inner, 2), x.dtype)
        blocks = self.in_parts(outer * inner, x.size)
        odd = np.zeros(len(blocks))
        scale = self.full((features,), 1, x.dtype) if scale is None else plain(scale)
        shift = self.zeros((features,), x.dtype) if shift is None else plain(shift)
        parts: list[dict[str, Any]] = [
            {
                "first": first, "last": last, "inner": inner, "features": features, "x": rows.at, "x_outer": rows.outer,
                "x_inner": rows.inner, "y": out.at, "y_outer": out.outer, "y_inner": out.inner,
                "scale": address(scale), "shift": address(shift),
                "mean": address(kept), "centre": centre, "odd": address(odd[number : number + 1]), "epsilon": epsilon,
                "most": most,
            }
            for number, (first, last) in enumerate(blocks)
        ]  # fmt: skip
        self.run_pass("normalization", "forward", x.dtype, parts)
        return None if odd.any() else (y, _Kept(rows, kept, centre))

    def _pass_back(self, dy: Array, saved: _Kept, scale: Array | None) -> tuple[Array, Array, Array]:
        """Return dx, dscale and dshift; the last is not to be used where there is no mean."""
        rows, kept, centre = saved
        dx, out = self.as_lies(dy, rows)
        outer, inner, features = rows.array.shape
        upstream = strided(dy)
        blocks = self.in_parts(outer * inner, dy.size)
        sums = np.zeros((len(blocks), 4, features), dy.dtype)
        scale = self.full((features,), 1, dy.dtype) if scale is None else plain(scale)
        parts: list[dict[str, Any]] = [
            {
                "first": first, "last": last, "inner": inner, "features": features, "x": rows.at, "x_outer": rows.outer,
                "x_inner": rows.inner, "dy": upstream.at, "dy_outer": upstream.outer, "dy_inner": upstream.inner,
                "dx": out.at, "y_outer": out.outer, "y_inner": out.inner,
                "scale": address(scale), "mean": address(kept), "centre": centre,
                "sums": address(own), "epsilon": 0.0, "most": 0.0,
            }
            for own, (first, last) in zip(sums, blocks, strict=True)
        ]  # fmt: skip
        self.run_pass("normalization", "backward", dy.dtype, parts)
        for own in sums[1:]:
            sums[0] += own
        return dx, sums[0, 0], sums[0, 1]


class _KeptBatch(NamedTuple):
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
        return y, (mean, variance.astype(dtype), done), _KeptBatch(rows, stops, mean, inverse, max(done, 1))

    @adding
    def batch_norm_backward(self, dy: Array, saved: Saved, scale: Array | None) -> tuple[Array, Array, Array]:
        """Return dx, dscale and dshift; as the generic kernel."""
        if not isinstance(saved, _KeptBatch):
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
