"""Generic kernels: attention to other sequences, by masks and biases, with dropout, whose scores can be had."""

from __future__ import annotations

from lamina.backends.arrays import Array, Saved
from lamina.backends.generic.attention import AttentionKernels

__all__ = ["MaskedAttentionKernels"]


class MaskedAttentionKernels(AttentionKernels):
    """Attention with all that `AttentionKernels.attention_forward` does without."""

    def masked_attention_forward(
        self,
        q: Array,
        k: Array,
        v: Array,
        lengths: Array | None,
        key_lengths: Array | None,
        allowed: Array | None = None,
        bias: Array | None = None,
        keep: Array | None = None,
        *,
        heads: int,
        causal: bool = False,
        rate: float = 0.0,
    ) -> tuple[Array, Array, Saved]:
        """Return a v, and a = softmax(q k^T / sqrt(d) + bias), for each head of d = units / heads features.

        A query that may attend to no key gets 0.

        Parameters
        ----------
        q : (batch, queries, units); k : (batch, keys, units); v : (batch, keys, units)
            Finite past each row's end too.
        lengths, key_lengths : (batch,) integers on the host, or None
            Of the queries, and of the keys: no query attends to a key past its row's end.
        allowed : (batch, queries, keys) or (batch, queries, heads, keys), or None for all
            Bool: to which keys each query may attend.
        bias : like ``allowed``, or None
            Added to the scores.
        keep : (batch, queries, heads, keys) bool, or None
            Which of a are kept; the others count as 0, and what is kept is multiplied by 1 / (1 - rate).
        causal : bool
            Whether the i-th query attends to the keys up to the i-th alone.

        Returns
        -------
        y : (batch, queries, units), 0 past each row's end
        a : (batch, queries, heads, keys), before anything is dropped; 0 past each row's ends
        saved : for `masked_attention_backward`
        """
        q, k, v = (self.split_heads(array, heads) for array in (q, k, v))
        mask = self.key_mask(key_lengths, q.shape[2], k.shape[2], causal)
        if allowed is not None:
            own = self._by_head(allowed)
            mask = own if mask is None else own & mask
        added = None if bias is None else self._by_head(self.zero_past(bias, lengths))
        y, content = self.attended(q, k, v, mask, lengths, added, self.kept_shares(keep, rate, q.dtype))
        scores = self.zero_past(self.xp.moveaxis(content[3], 1, 2), lengths)
        return y, scores, (content, lengths, None if bias is None else bias.ndim)

    def masked_attention_backward(
        self, dy: Array, dweights: Array | None, saved: Saved
    ) -> tuple[Array, Array, Array, Array | None]:
        """Propagate the gradients of y and, or None, of a.

        Returns
        -------
        dq, dk, dv : like q, k and v
        dbias : like the bias, or None without one
        """
        xp = self.xp
        content, lengths, axes = saved
        upstream = None if dweights is None else xp.moveaxis(self.zero_past(dweights, lengths), 2, 1)
        dq, dk, dv, dscores = self.attended_back(dy, upstream, content)
        dbias = None
        if axes is not None:
            # What stands past a row's end is nobody's, though its weights are there.
            dscores = self.zero_past(xp.moveaxis(dscores, 1, 2), lengths)
            dbias = xp.sum(dscores, axis=2) if axes == 3 else dscores
        return dq, dk, dv, dbias

    def key_mask(self, key_lengths: Array | None, queries: int, keys: int, causal: bool) -> Array | None:
        """Return to which keys each query may attend, as it broadcasts to (batch, heads, queries, keys)."""
        valid = None if key_lengths is None else self.valid_steps(key_lengths, keys)[:, None, None, :]
        if not causal:
            return valid
        arange = self.xp.arange
        before = (arange(keys)[None, :] <= arange(queries)[:, None])[None, None, :, :]
        return before if valid is None else before & valid

    def _by_head(self, array: Array) -> Array:
        """Return (batch, queries, keys) or (batch, queries, heads, keys) as it broadcasts to (batch, heads, ...)."""
        return array[:, None, :, :] if array.ndim == 3 else self.xp.moveaxis(array, 2, 1)
