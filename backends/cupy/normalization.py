"""Normalization on CUDA: one launch for the rows of a layer, one or two for the columns of a batch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lamina.backends.arrays import Array, Saved
from lamina.backends.cupy.compiled import NONE, THREADS, CompiledKernels, grid_over
from lamina.backends.generic.normalization import NormalizationKernels
from lamina.backends.kernels import adding

__all__ = ["CuPyNormalizationKernels"]

_LAYER, _BATCH = "layer_norm.cu", "batch_norm.cu"
_WARP = 32
_KEPT = 8  # of a row, how many values a thread keeps: as in layer_norm.cu
_ROW_BLOCKS = 512  # at most, each with a part of the gradients of scale and shift
_ROWS_A_LINE = 32  # up to so many for each thread of a column, a block has them all
_STRETCHES = 64  # at least, where there are rows enough


class CuPyNormalizationKernels(CompiledKernels, NormalizationKernels):
    """Of x some numbers a row, or a column, are kept beside x itself: what is normalized is computed again."""

    def layer_norm_forward(
        self, x: Array, scale: Array | None, shift: Array | None, *, epsilon: float
    ) -> tuple[Array, Saved]:
        """Return y over the last axis; as the generic kernel."""
        x, features = self.contiguous(x), x.shape[-1]
        rows = math.prod(x.shape[:-1])
        y, statistics = self.empty(x.shape, x.dtype), self.empty((rows, 3), x.dtype)
        if y.size:
            wide = features > _WARP * _KEPT * 4
            kernel = self.kernel("layer_norm_wide" if wide else "layer_norm_narrow", _LAYER, x.dtype)
            affine = self._given(scale), self._given(shift)
            blocks = min(rows if wide else -(-rows * _WARP // THREADS), 2**20)
            kernel(
                (blocks,), (THREADS,),
                (x, *affine, y, statistics, *self._epsilon(epsilon, x.dtype), np.int64(rows), np.int32(features)),
            )  # fmt: skip
        return y, (x, statistics)

    @adding
    def layer_norm_backward(self, dy: Array, saved: Saved, scale: Array | None) -> tuple[Array, Array, Array]:
        """Return dx, dscale and dshift; as the generic kernel."""
        x, statistics = saved
        rows, features = statistics.shape[0], x.shape[-1]
        if not x.size:
            nothing = self.zeros((2, features), x.dtype)
            return self.empty(x.shape, x.dtype), nothing[0], nothing[1]
        ways = (("narrow", _WARP * _KEPT), ("wide", THREADS * _KEPT))
        way = next((name for name, most in ways if features <= most), "long")
        blocks = min(-(-rows * _WARP // THREADS) if way == "narrow" else rows, _ROW_BLOCKS)
        dx, parts = self.empty(x.shape, x.dtype), self.empty((blocks, 2 * features), x.dtype)
        self.kernel(f"layer_norm_backward_{way}", _LAYER, x.dtype)(
            (blocks,), (THREADS,),
            (x, self.contiguous(dy), statistics, self._given(scale), dx, parts, np.int64(rows), np.int32(features)),
        )  # fmt: skip
        if blocks > 1:
            gradients = self.empty((1, 2 * features), x.dtype)
            tiles, width = _tiles(2 * features)
            sizes = np.int64(blocks), np.int64(2 * features), np.int32(width)
            self.kernel("sum_rows", _LAYER, x.dtype)((1, tiles), (THREADS,), (parts, gradients, *sizes))
            parts = gradients
        return dx, parts[0, :features], parts[0, features:]

    def batch_norm_forward(
        self, x: Array, scale: Array | None, shift: Array | None, lengths: Array | None, *, epsilon: float
    ) -> tuple[Array, tuple[Array, Array, int], Saved]:
        """Normalize every feature over all valid steps of the batch; as the generic kernel."""
        dtype, real = x.dtype, x.dtype.type
        rows = _Rows(self, x, lengths)
        x = self.contiguous(x)
        y = self.empty(x.shape, dtype)
        statistics = self.empty((3, rows.features), dtype)
        mean, variance = (self.empty((rows.features,), dtype) for _ in range(2))
        safe = self._epsilon(epsilon, dtype)
        parts: Any = NONE
        if rows.stretches > 1:
            parts = self.empty((rows.stretches, 4, rows.features), dtype)
            rows.launch("batch_norm_parts", (x, rows.lengths, parts, *safe), dtype)
        rows.launch(
            "batch_norm",
            (
                x, rows.lengths, parts, self._given(scale), self._given(shift), y, statistics, mean, variance, *safe,
                real(rows.steps), real(float(np.finfo(dtype).max) ** 0.5 / 2),
            ),
            dtype, np.int32(rows.stretches),
        )  # fmt: skip
        return y, (mean, variance, rows.valid), (x, rows, statistics)

    @adding
    def batch_norm_backward(self, dy: Array, saved: Saved, scale: Array | None) -> tuple[Array, Array, Array]:
        """Return dx, dscale and dshift; as the generic kernel."""
        x, rows, statistics = saved
        dtype = x.dtype
        dy = self.contiguous(dy)
        dx, gradients, parts = self.empty(x.shape, dtype), self.empty((2, rows.features), dtype), NONE
        if rows.stretches > 1:
            parts = self.empty((rows.stretches, 2, rows.features), dtype)
            rows.launch("batch_norm_backward_parts", (x, dy, rows.lengths, statistics, parts), dtype)
        rows.launch(
            "batch_norm_backward",
            (x, dy, rows.lengths, statistics, parts, self._given(scale), dx, gradients, dtype.type(rows.steps)),
            dtype, np.int32(rows.stretches),
        )  # fmt: skip
        return dx, gradients[0], gradients[1]

    def batch_norm_infer(
        self,
        x: Array,
        mean: Array,
        variance: Array,
        scale: Array | None,
        shift: Array | None,
        lengths: Array | None,
        *,
        epsilon: float,
    ) -> Array:
        """Return y by given means and variances, 0 past each row's end; as the generic kernel."""
        rows = _Rows(self, x, lengths)
        x = self.contiguous(x)
        y = self.empty(x.shape, x.dtype)
        if x.size:
            given = (self._given(one) for one in (mean, variance, scale, shift))
            self.kernel("batch_norm_infer", _BATCH, x.dtype)(
                grid_over(x.size), (THREADS,), (x, rows.lengths, *given, y, x.dtype.type(epsilon), *rows.sizes)
            )
        return y

    def batch_norm_move(
        self, running_mean: Array, running_variance: Array, mean: Array, variance: Array, count: int, momentum: float
    ) -> None:
        """Move running statistics (features,) in place, by a batch's; as the generic one."""
        given = running_mean, running_variance, mean, variance
        if any(one.dtype != mean.dtype or not one.flags.c_contiguous for one in given):
            super().batch_norm_move(*given, count, momentum)
        elif count > 0 and mean.size:
            real = mean.dtype.type
            numbers = real(count / (count - 1) if count > 1 else 0), real(momentum), np.int32(mean.size)
            kernel = self.kernel("batch_norm_move", _BATCH, mean.dtype)
            kernel(grid_over(mean.size), (THREADS,), (*given, *numbers))

    def _given(self, parameter: Array | None) -> Any:
        """Return a parameter as kernels take it."""
        return NONE if parameter is None else self.contiguous(parameter)

    def _epsilon(self, epsilon: float, dtype: Any) -> tuple[Any, ...]:
        """Return epsilon as kernels take it: itself, its root, and the sizes that have units, see `_units`."""
        info, real = np.finfo(dtype), dtype.type
        root, least = math.sqrt(epsilon), float(info.smallest_normal) ** 0.25
        # Squares vanish unseen beside an epsilon that is larger.
        return real(epsilon), real(root), real(float(info.max) ** 0.25), real(least if root < least else 0)


class _Rows:
    """An array (batch, ..., features) as rows of features, and how the threads are laid over them."""

    def __init__(self, backend: CuPyNormalizationKernels, x: Array, lengths: Any) -> None:
        self.backend, self.features = backend, x.shape[-1]
        count, inner = math.prod(x.shape[:-1]), math.prod(x.shape[2:-1])
        time = x.shape[1] if x.ndim > 2 else 1
        self.lengths: Any = NONE if lengths is None else backend.constant(lengths, "int64")
        self.valid = count if lengths is None else int(lengths.sum()) * inner
        self.steps = max(self.valid, 1)
        self.sizes = np.int64(time), np.int64(inner), np.int64(count), np.int32(self.features)
        self.tiles, self.width = _tiles(self.features)
        lines = THREADS // self.width
        # Some hundreds of blocks, and some rows for each of their threads.
        most = max(_STRETCHES, 4 * _STRETCHES // self.tiles)
        few = count <= _ROWS_A_LINE * lines
        self.stretches = 1 if few else min(-(-2 * count // (_ROWS_A_LINE * lines)), most)

    def launch(self, name: str, arguments: tuple[Any, ...], dtype: Any, *last: Any) -> None:
        """Launch a kernel, a block for each stretch of rows and each tile of columns."""
        if self.features:
            kernel = self.backend.kernel(name, _BATCH, dtype)
            arguments = (*arguments, *self.sizes, np.int32(self.width), *last)
            kernel((self.stretches, self.tiles), (THREADS,), arguments)


def _tiles(columns: int) -> tuple[int, int]:
    """Return how many tiles columns are cut into, and how wide these are: a power of two, of a warp at most."""
    width = min(_WARP, 1 << max(columns - 1, 0).bit_length())
    return max(-(-columns // width), 1), width
