"""Losses on CUDA: softmax cross-entropy in a launch for the rows, one for their sum, and one for the gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.arrays import Array, Saved
from lamina.backends.cupy.compiled import NONE, THREADS, CompiledKernels, grid_over

__all__ = ["CuPyLossKernels"]

_FILE = "losses.cu"
_WIDE = 1024  # classes from which a row has a whole block
_ALONE = 64  # rows up to which one block has them all, and their sum
_BLOCKS = 1024  # at most, each with a part of the sum


class CuPyLossKernels(CompiledKernels):
    """Of each row of logits three numbers are kept: its probabilities are computed again for the gradient."""

    def softmax_cross_entropy_forward(
        self,
        logits: Array,
        target: Array,
        row_weight: Array,
        class_weight: Array | None = None,
        smoothing: float = 0.0,
        each: bool = False,
    ) -> tuple[Array, Saved]:
        """Return the loss and what its gradient needs; as the generic kernel, which alone gives ``each`` row's term."""
        rows, classes = logits.shape
        dtype = logits.dtype
        if logits.strides[1] != logits.itemsize and classes > 1:
            logits = self.contiguous(logits)
        # What the kernels take of a target: labels, or probabilities.
        if target.ndim == 1:
            if target.dtype.kind not in "iu":
                target = self.astype(target, np.int64)
            labels, kind, probabilities = self.contiguous(target), target.itemsize, NONE
            kind = -kind if target.dtype.kind == "u" else kind
        else:
            labels, kind, probabilities = NONE, 0, self.contiguous(self.astype(target, dtype))
        real = dtype.type
        read = (
            labels, np.int32(kind), probabilities,
            NONE if class_weight is None else self.contiguous(self.astype(class_weight, dtype)),
            real(smoothing), real(smoothing / max(classes, 1)),
            self.contiguous(self.astype(row_weight, dtype)),
        )  # fmt: skip
        sizes = np.int64(logits.strides[0] // logits.itemsize), np.int64(rows), np.int32(classes)
        statistics = self.empty((rows, 3), dtype)
        wide = classes > _WIDE
        at_once = 1 if wide else THREADS // 32
        blocks = 1 if rows <= _ALONE else min(-(-rows // at_once), _BLOCKS)
        parts = self.empty((blocks,), dtype)
        kernel = self.kernel("cross_entropy_wide" if wide else "cross_entropy_narrow", _FILE, dtype)
        kernel((blocks,), (THREADS,), (logits, *read, statistics, parts, *sizes))
        return self._sum(parts), (logits, read, statistics, sizes)

    def softmax_cross_entropy_backward(self, saved: Saved) -> Array:
        """Return d logits; as the generic kernel."""
        logits, read, statistics, sizes = saved
        gradient = self.empty(logits.shape, logits.dtype)
        if gradient.size:
            kernel = self.kernel("cross_entropy_backward", _FILE, logits.dtype)
            kernel(grid_over(gradient.size), (THREADS,), (logits, *read, statistics, gradient, *sizes))
        return gradient

    def _sum(self, parts: Array) -> Array:
        """Return the sum of (n,) as an array of no axes."""
        if parts.size > 1:
            total = self.empty((1,), parts.dtype)
            sizes: tuple[Any, ...] = (np.int64(parts.size), np.int64(1), np.int32(1))
            self.kernel("sum_rows", _FILE, parts.dtype)((1,), (THREADS,), (parts, total, *sizes))
            parts = total
        return self.reshape(parts, ())
