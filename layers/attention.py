"""Multi-head attention of one sequence to another."""

from __future__ import annotations

from typing import Any

from lamina.backends import Array
from lamina.core.lengths import require_one_length
from lamina.core.registry import register
from lamina.core.saved_state import SavedState
from lamina.core.shapes import Lengths, Shape, Shapes, no_steps
from lamina.core.steps import refuse_training
from lamina.errors import ShapeError, StreamError
from lamina.kinds.attention import AttentionLayer

__all__ = ["Attention"]


@register
class Attention(AttentionLayer):
    """Scaled dot-product attention of queries to keys and their values, in several heads (Vaswani et al., 2017).

        q = query w_q + b_q    k = keys w_k + b_k    v = values w_v + b_v
        a = softmax(q k^T / sqrt(units / heads))    y = concat_heads(a v) w_o + b_o

    Its inputs are the query (batch, queries, features), keys (batch, keys, features) and, if others than the keys,
    their values; each may have features of its own. No query attends to a key past its row's end. Where a query may
    attend to no key, a is 0.

    Parameters
    ----------
    heads : int
    units : int, optional
        The size of the output's last axis, and of q, k and v; the query's features if not given. A multiple of heads.
    causal : bool
        Whether the i-th query attends to the keys up to the i-th alone. Such a one streams, where a query and a key
        come together: its state is the keys and values so far. Over keys that a `Stream` is given whole any one does.
    dropout : float
        In training, the share of a that is dropped.
    return_scores : bool
        Whether a, before anything is dropped, is a second output: (batch, queries, heads, keys).
    additive_mask : bool
        A fourth input, (batch, queries, keys) or (batch, queries, heads, keys), tells by True, or what is not 0, to
        which keys a query may attend; or, with ``additive_mask``, is added to q k^T / sqrt(...).
    use_bias : bool
    w_initializer, b_initializer : str, float or Initializer
        Of all four weights, and of all four biases.

    Attributes
    ----------
    w_q, w_k, w_v : Parameter (features, units)
    w_o : Parameter (units, units)
    b_q, b_k, b_v, b_o : Parameter (units,)
        Where ``use_bias``.

    Raises
    ------
    ArgumentError
        If heads or units is not a positive whole number, or units no multiple of heads.
    ShapeError
        If inputs do not fit each other.

    Examples
    --------
    A query sees the mean of two values, as all keys are alike to it:

    >>> import numpy as np
    >>> layer = Attention(1, w_initializer="ones")
    >>> layer.build((None, None, 1), (None, None, 1), (None, None, 1))
    (None, None, 1)
    >>> query, keys, values = np.ones((1, 1, 1)), np.ones((1, 3, 1)), np.array([[[2.0], [4.0], [99.0]]])
    >>> layer(query, keys, values, lengths=(None, [2], [2])).tolist()
    [[[3.0]]]
    """

    def build(self, query: Shape, keys: Shape, values: Shape | None = None, mask: Shape | None = None) -> Shapes:
        """Create the parameters; return (batch, queries, units), and the shape of the scores where they are given."""
        values = keys if values is None else values
        units = self.create(query, keys, values)
        self.require_alike_keys(keys, values)
        if mask is not None:
            self.require_mask(mask, query[1], keys[1])
        y: Shape = (None, query[1], units)
        return (y, (None, query[1], self.heads, keys[1])) if self.return_scores else y

    def output_lengths(self, lengths: Any) -> Any:
        """Return those of the query."""
        return lengths[0] if isinstance(lengths, tuple) else lengths

    def forward(
        self, query: Array, keys: Array, values: Array | None = None, mask: Array | None = None, lengths: Any = None
    ) -> tuple[Any, Any]:
        """Attend.

        Parameters
        ----------
        query : (batch, queries, features)
        keys : (batch, keys, features)
        values : (batch, keys, features), optional
            The keys, if not given.
        mask : (batch, queries, keys) or (batch, queries, heads, keys), optional
        lengths : tuple of (batch,) integers or None, one for each input, optional

        Returns
        -------
        y : (batch, queries, units), or (y, scores) with ``return_scores``
        saved : for `backward`
        """
        return self._attend(query, keys, values, mask, lengths, training=True)

    def infer(
        self, query: Array, keys: Array, values: Array | None = None, mask: Array | None = None, lengths: Any = None
    ) -> Any:
        """Return what `forward` does where nothing is dropped."""
        return self._attend(query, keys, values, mask, lengths, training=False)[0]

    def _attend(
        self, query: Array, keys: Array, values: Array | None, mask: Array | None, lengths: Any, *, training: bool
    ) -> tuple[Any, Any]:
        of_query, of_keys = self._both(keys, values, lengths)
        self.require_mask_lengths(lengths, query.shape[1])
        given = (values is not None, mask is not None)
        values = keys if values is None else values
        self.require_alike_keys(keys.shape, values.shape)
        (q, k, v), states = self.projected(query, keys, values, of_query, of_keys)
        outputs, content = self.attend(q, k, v, of_query, of_keys, mask, training)
        return outputs, (states, content, given, of_query, of_keys)

    def backward(self, dy: Any, saved: Any) -> tuple[Array, ...]:
        """Return the gradients of the query, of the keys and, where they were given, of the values and of the mask."""
        states, content, (has_values, has_mask), of_query, of_keys = saved
        gradients, dmask = self.attend_back(dy, content)
        dquery, dkeys, dvalues = self.projected_back(gradients, states)
        zero_past = self.backend.zero_past
        results = [zero_past(dquery, of_query)]
        results += [zero_past(one, of_keys) for one in ((dkeys, dvalues) if has_values else (dkeys + dvalues,))]
        return (*results, dmask) if has_mask else tuple(results)

    def stream(
        self, *inputs: Array, state: Any = None, lengths: Any = None, training: bool = False
    ) -> tuple[Array, tuple[Array, Array, Lengths], Any]:
        """Return y of the next queries; the state grows by the keys and values that come with them."""
        query, keys, *values = inputs
        if keys is None:
            refuse_training(self, training)
            return self._attend_memory(query, state, lengths[0] if isinstance(lengths, tuple) else lengths)
        of_query, of_keys = self._both(keys, values[0] if values else None, lengths)
        require_one_length(self.label, (of_query, of_keys), (query.shape[1], keys.shape[1]))
        (q, k, v), states = self.projected(query, keys, values[0] if values else keys, of_query, of_keys)
        y, after, content = self.attend_next(q, k, v, state, of_query, training)
        saved = (states, content, (bool(values), False), of_query, of_keys)
        return y, after, SavedState(self, saved, y) if training else None

    def open_stream(self, batch: int, whole: tuple[bool, ...]) -> tuple[bool, Any]:
        """Return a state of no keys; raise unless keys and values are given whole, and the query step by step.

        Any such query attends to all valid keys, or with ``causal`` to as many as there were steps.
        """
        if len(whole) > self._mask_at:
            raise StreamError(f"{self.label}: cannot stream with a mask: it tells of all queries at once")
        if whole[0] or not all(whole[1:]):
            raise StreamError(
                f"{self.label}: cannot stream: it takes keys and values whole and the query step by step, not otherwise"
            )
        bound = self.bound()
        none = bound.backend.zeros((batch, 0, self.w_k.shape[1]), bound.dtype_object)
        return False, (none, none, no_steps(batch), no_steps(batch))

    def begin_stream(self, *inputs: Any, lengths: Any = None) -> tuple[None, Any]:
        """Return k and v (batch, keys, units), how many keys each row has, and how many queries: 0, (batch,)."""
        _, keys, *values = inputs
        values = values[0] if values else keys
        self.require_alike_keys(keys.shape, values.shape)
        own = lengths[1:] if isinstance(lengths, tuple) else (lengths,)
        own = require_one_length(self.label, own[:2] if values is not keys else own[0], (keys.shape[1],) * 2)
        k, v, first = self.projection(1, keys, own), self.projection(2, values, own), no_steps(keys.shape[0])
        return None, (k, v, first + (keys.shape[1] if own is None else own), first)

    def _attend_memory(self, query: Array, state: Any, lengths: Lengths | None) -> tuple[Any, Any, None]:
        """Return what the next queries get of keys that were given whole, and the state after them."""
        k, v, counts, before = state
        if k.shape != v.shape or (counts > k.shape[1]).any():
            got = f"{tuple(k.shape)}, {tuple(v.shape)} and {counts.tolist()}"
            raise ShapeError(f"{self.label}: expected a state with a value for each key, and as many keys, got {got}")
        backend, heads, q = self.backend, self.heads, self.projection(0, query, lengths)
        allowed = backend.cached_mask(before, q.shape[1], k.shape[1]) if self.causal else None
        y, scores, _ = backend.select("masked_attention", heads=heads, causal=False).forward(
            q, k, v, lengths, counts, None if allowed is None else allowed[:, 0, ...], heads=heads
        )
        y, _ = self._joined(y, lengths)
        after = k, v, counts, before + (q.shape[1] if lengths is None else lengths)
        return (y, scores) if self.return_scores else y, after, None

    def _both(self, keys: Array, values: Array | None, lengths: Any) -> tuple[Any, Any]:
        """Return the lengths of the query, and those of keys and values, which must be the same."""
        if not isinstance(lengths, tuple):
            return lengths, lengths
        sizes = (keys.shape[1],) if values is None else (keys.shape[1], values.shape[1])
        return lengths[0], require_one_length(self.label, lengths[1 : 1 + len(sizes)], sizes)
