"""NumPy's kernel for attention: the scores of a few rows at a time, while they are in the cache."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lamina.backends.arrays import Array, Saved
from lamina.backends.backend import Backend

__all__ = ["NumPyAttentionKernels"]

# How many scores one block of rows has together.
_BLOCK = 1 << 17


class NumPyAttentionKernels(Backend):
    """Attention as the generic kernel, with the softmax in place, and over each row's valid steps alone."""

    def attention_forward(
        self, q: Array, k: Array, v: Array, lengths: Array | None, *, heads: int, causal: bool = False
    ) -> tuple[Array, Saved]:
        """Return softmax(q k^T / sqrt(d)) v for each head; as the generic kernel."""
        q, k, v = (np.ascontiguousarray(self.split_heads(array, heads)) for array in (q, k, v))
        batch, _, time, size = q.shape
        scale = size**-0.5
        later = np.triu(np.full((time, time), -np.inf, q.dtype), 1) if causal else None
        y = self.empty((batch, time, heads, size), q.dtype)
        if lengths is not None:
            y[...] = 0
        kept = []
        for rows, steps in _blocks(batch, heads, time, lengths):
            part = rows, slice(None), slice(steps)
            weights = q[part] @ k[part].swapaxes(-1, -2)
            weights *= scale
            if later is not None:
                weights += later[:steps, :steps]
            weights -= weights.max(axis=-1, keepdims=True)
            np.exp(weights, out=weights)
            weights /= weights.sum(axis=-1, keepdims=True)
            np.matmul(weights, v[part], out=y[rows, :steps].swapaxes(1, 2))
            kept.append((part, weights))
        return y.reshape(batch, time, heads * size), (q, k, v, kept, lengths, scale)

    def attention_backward(self, dy: Array, saved: Saved) -> tuple[Array, Array, Array]:
        """Return dq, dk and dv; as the generic kernel."""
        q, k, v, kept, lengths, scale = saved
        batch, heads, time, size = q.shape
        dy = self.split_heads(dy, heads)
        results = [self.empty((batch, time, heads, size), q.dtype) for _ in range(3)]
        if lengths is not None:
            for array in results:
                array[...] = 0
        dq, dk, dv = (array.swapaxes(1, 2) for array in results)
        for part, weights in kept:
            own = np.ascontiguousarray(dy[part])
            np.matmul(weights.swapaxes(-1, -2), own, out=dv[part])
            dscores = own @ v[part].swapaxes(-1, -2)
            dscores -= np.einsum("bhqk,bhqk->bhq", dscores, weights)[..., None]
            dscores *= weights
            dscores *= scale
            np.matmul(dscores, k[part], out=dq[part])
            np.matmul(dscores.swapaxes(-1, -2), q[part], out=dk[part])
        dq, dk, dv = (array.reshape(batch, time, heads * size) for array in results)
        return dq, dk, dv


def _blocks(batch: int, heads: int, time: int, lengths: Array | None) -> Iterator[tuple[slice, int]]:
    """Yield slices of the batch and how many of their steps are valid; empty rows are left out."""
    if lengths is None:
        step = max(_BLOCK // max(heads * time * time, 1), 1)
        for start in range(0, batch if time else 0, step):
            yield slice(start, min(start + step, batch)), time
    else:
        for row, length in enumerate(lengths.tolist()):
            if length:
                yield slice(row, row + 1), length
