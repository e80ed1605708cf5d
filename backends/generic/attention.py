"""Generic kernels: scaled dot-product attention, and the positions that are added to its input."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from lamina.backends.arrays import Array, Saved
from lamina.backends.generic.windows import WindowOperations

__all__ = ["AttentionKernels", "sinusoids"]


class AttentionKernels(WindowOperations):
    """Attention in several heads, each on its own share of the features."""

    def attention_forward(
        self, q: Array, k: Array, v: Array, lengths: Array | None, *, heads: int, causal: bool = False
    ) -> tuple[Array, Saved]:
        """Return softmax(q k^T / sqrt(d)) v for each head of d = units / heads features.

        Parameters
        ----------
        q, k, v : (batch, time, units)
            Finite past each row's end too.
        lengths : (batch,) integers on the host, or None
            No step attends to one past its row's end.
        heads : int
        causal : bool
            Whether a step attends only to itself and to those before it.

        Returns
        -------
        y : (batch, time, units), 0 past each row's end
        saved : for `attention_backward`
        """
        q, k, v = (self.split_heads(array, heads) for array in (q, k, v))
        return self.attended(q, k, v, self.attention_mask(lengths, q.shape[2], causal), lengths)

    def attended(
        self,
        q: Array,
        k: Array,
        v: Array,
        allowed: Array | None,
        lengths: Array | None,
        bias: Array | None = None,
        kept: Array | None = None,
    ) -> tuple[Array, Saved]:
        """Return what queries get of the keys allowed to them, heads joined, and what `attended_back` needs.

        Parameters
        ----------
        q, k, v : (batch, heads, time, units / heads)
        allowed : bool array that broadcasts to (batch, heads, queries, keys), or None for all
        lengths : (batch,) integers on the host, or None
        bias : array that broadcasts so too, or None
            Added to the scores.
        kept : (batch, heads, queries, keys), or None
            What the weights of the keys are multiplied by after the softmax.
        """
        xp = self.xp
        scale = q.shape[-1] ** -0.5
        scores = self.matmul(q * scale, xp.moveaxis(k, -1, -2))
        if bias is not None:
            scores = scores + bias
        if allowed is not None:
            scores = xp.where(allowed, scores, self.full((), -float("inf"), scores.dtype))
        weights = self.softmax_of_some(scores)
        y = self.join_heads(self.matmul(weights if kept is None else weights * kept, v))
        return self.zero_past(y, lengths), (q, k, v, weights, kept, scale, lengths)

    def attended_back(self, dy: Array, dweights: Array | None, saved: Saved) -> tuple[Array, Array, Array, Array]:
        """Propagate the gradients of `attended`, and of its weights (batch, heads, queries, keys) or None.

        Returns
        -------
        dq, dk, dv : each (batch, time, units)
        dscores : (batch, heads, queries, keys), of the scores as they are after the scale
        """
        xp = self.xp
        q, k, v, weights, kept, scale, lengths = saved
        dy = self.split_heads(self.zero_past(dy, lengths), q.shape[1])
        upstream = self.matmul(dy, xp.moveaxis(v, -1, -2))
        if kept is not None:
            upstream = upstream * kept
        if dweights is not None:
            upstream = upstream + dweights
        dscores = weights * (upstream - xp.sum(upstream * weights, axis=-1, keepdims=True))
        scaled = dscores * scale
        dq = self.matmul(scaled, k)
        dk = self.matmul(xp.moveaxis(scaled, -1, -2), q)
        dv = self.matmul(xp.moveaxis(weights if kept is None else weights * kept, -1, -2), dy)
        return self.join_heads(dq), self.join_heads(dk), self.join_heads(dv), dscores

    def softmax_of_some(self, scores: Array) -> Array:
        """Return the softmax over the last axis; 0 where nothing but minus infinity stands, as no key is there."""
        xp = self.xp
        if scores.shape[-1]:
            largest = xp.max(scores, axis=-1, keepdims=True)
            scores = scores - xp.where(largest == -float("inf"), self.zeros((), scores.dtype), largest)
        weights = xp.exp(scores)
        total = xp.sum(weights, axis=-1, keepdims=True)
        return weights / xp.where(total == 0, self.full((), 1, total.dtype), total)

    def attention_backward(self, dy: Array, saved: Saved) -> tuple[Array, Array, Array]:
        """Return dq, dk and dv, each (batch, time, units)."""
        return self.attended_back(dy, None, saved)[:3]

    def cached_attention_forward(
        self,
        q: Array,
        k: Array,
        v: Array,
        lengths: Array | None,
        before: Array,
        keep: Array | None = None,
        *,
        heads: int,
        rate: float = 0.0,
    ) -> tuple[Array, Saved]:
        """Return what causal attention gives of a sequence's next steps, which attend to those before them too.

        Parameters
        ----------
        q : (batch, time, units)
            Of the next steps.
        k, v : (batch, keys, units)
            Of each row's steps before and its next ones, side by side; see `append_steps`.
        lengths : (batch,) integers on the host, or None
            How many of the next steps each row has.
        before : (batch,) integers on the host
            How many steps each row had before.
        keep : (batch, time, heads, keys) bool, or None
            Which weights of keys are kept, each being dropped with the probability ``rate``.
        heads : int
        rate : float

        Returns
        -------
        y : (batch, time, units), 0 past each row's end
        saved : for `cached_attention_backward`
        """
        q, k, v = (self.split_heads(array, heads) for array in (q, k, v))
        allowed = self.cached_mask(before, q.shape[2], k.shape[2])
        y, content = self.attended(q, k, v, allowed, lengths, kept=self.kept_shares(keep, rate, q.dtype))
        return y, (content, before, lengths)

    def cached_attention_backward(self, dy: Array, saved: Saved) -> tuple[Array, Array, Array]:
        """Return dq, dk and dv of the next steps, each (batch, time, units): what came before is given."""
        content, before, lengths = saved
        dq, *others = self.attended_back(dy, None, content)[:3]
        if not others[0].shape[1]:  # no row has a step
            return dq, self.zeros(dq.shape, dq.dtype), self.zeros(dq.shape, dq.dtype)
        dk, dv = (self.zero_past(self.steps_from(one, before, dq.shape[1]), lengths) for one in others)
        return dq, dk, dv

    def kept_shares(self, keep: Array | None, rate: float, dtype: Any) -> Array | None:
        """Return what a mask (batch, queries, heads, keys) of what is kept multiplies weights by; heads second."""
        if keep is None:
            return None
        return self.astype(self.xp.moveaxis(keep, 2, 1), dtype) * (1 / (1 - rate))

    def split_heads(self, array: Array, heads: int) -> Array:
        """Return (batch, time, units) as (batch, heads, time, units / heads)."""
        batch, time, units = array.shape
        return self.xp.moveaxis(self.reshape(array, (batch, time, heads, units // heads)), 2, 1)

    def join_heads(self, array: Array) -> Array:
        """Return (batch, heads, time, d) as (batch, time, heads d): the inverse of `split_heads`."""
        batch, heads, time, size = array.shape
        return self.reshape(self.xp.moveaxis(array, 1, 2), (batch, time, heads * size))

    def attention_mask(self, lengths: Array | None, time: int, causal: bool) -> Array | None:
        """Return to which keys each query may attend, as it broadcasts to (batch, heads, queries, keys)."""
        keys = None if lengths is None else self.valid_steps(lengths, time)[:, None, None, :]
        if not causal:
            return keys
        steps = self.xp.arange(time)
        before = (steps[None, :] <= steps[:, None])[None, None, :, :]
        return before if keys is None else before & keys

    def cached_mask(self, before: Array, time: int, keys: int) -> Array | None:
        """Return to which keys each row's next queries may attend, those before them and their own: as above."""
        if time == 1 and not (before < keys - 1).any():
            return None
        starts = self.constant(before, "int64")
        places = starts[:, None] + self.xp.arange(time, dtype=starts.dtype)[None, :]
        steps = self.xp.arange(keys, dtype=starts.dtype)
        return (steps[None, None, :] <= places[:, :, None])[:, None, :, :]

    def positional_encoding_forward(self, x: Array, before: Array | None = None) -> tuple[Array, Saved]:
        """Return x (batch, time, features) plus `sinusoids`.

        Parameters
        ----------
        x : (batch, time, features)
        before : (batch,) integers on the host, or None
            How many steps each row had before these; none if not given.
        """
        time, features = x.shape[1:]
        if before is None:
            table = self.constant(sinusoids(time, features))[None, ...]
        else:
            same = (before == before[:1]).all()
            table = self.constant(_sinusoids((before[:1] if same else before)[:, None] + np.arange(time), features))
        return x + self.astype(table, x.dtype), None

    def positional_encoding_backward(self, dy: Array, saved: Saved) -> Array:
        """Return dx = dy."""
        return dy


# The last few alone: a model sees few sizes, and each is computed in less time than its forward pass takes.
@lru_cache(maxsize=4)
def sinusoids(time: int, features: int) -> np.ndarray[Any, Any]:
    """Return p_t,2i = sin(t / 10000^(2i / features)) and p_t,2i+1 = cos of the same, on the host.

    Returns
    -------
    (time, features) float64, read-only
    """
    table = _sinusoids(np.arange(time), features)
    table.flags.writeable = False
    return table


def _sinusoids(places: np.ndarray[Any, Any], features: int) -> np.ndarray[Any, Any]:
    """Return p of places in a row: (*places.shape, features) float64."""
    frequency = 10000.0 ** (-np.arange(0, features, 2) / features)
    angle = places[..., None] * frequency
    table = np.empty((*places.shape, features))
    table[..., 0::2] = np.sin(angle)
    table[..., 1::2] = np.cos(angle[..., : features // 2])
    return table
