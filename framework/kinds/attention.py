"""What attention layers share: their weights, heads, the dropout of their scores, and keys kept in a stream."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

import numpy as np

from lamina.backends import Array
from lamina.core.arguments import extent, flag, number
from lamina.core.gradients import gradients_of
from lamina.core.initializers import InitializerLike, find_initializer
from lamina.core.lengths import require_one_length
from lamina.core.parameter import Parameter
from lamina.core.shapes import Lengths, Shape, no_steps, show
from lamina.errors import ArgumentError, ShapeError, StreamError
from lamina.kinds.random import RandomLayer

__all__ = ["AttentionLayer"]


class AttentionLayer(RandomLayer):
    """The base class of layers that attend in several heads, each to its own share of the features.

    Attributes
    ----------
    heads : int
    units : int or None
    causal : bool
    dropout : float
    return_scores : bool
    w_q, w_k, w_v, w_o : Parameter
    b_q, b_k, b_v, b_o : Parameter or None
    """

    kernel_name: ClassVar[str] = "masked_attention"
    _mask_at: ClassVar[int] = 3  # which input is the mask

    def __init__(
        self,
        heads: int,
        units: int | None = None,
        *,
        causal: bool = False,
        dropout: float = 0.0,
        return_scores: bool = False,
        additive_mask: bool = False,
        use_bias: bool = True,
        w_initializer: InitializerLike = "glorot_uniform",
        b_initializer: InitializerLike = "zeros",
    ) -> None:
        self.heads = extent(self, "heads", heads)
        self.units = None if units is None else extent(self, "units", units)
        if self.units is not None and self.units % self.heads:
            name = type(self).__name__
            raise ArgumentError(f"{name}: expected units to be a multiple of {self.heads} heads, got {units}")
        self.causal = flag(self, "causal", causal)
        self.dropout = number(self, "dropout", dropout, least=0, below=1)
        self.return_scores = flag(self, "return_scores", return_scores)
        self.additive_mask = flag(self, "additive_mask", additive_mask)
        self.use_bias = flag(self, "use_bias", use_bias)
        self.w_initializer = find_initializer(w_initializer)
        self.b_initializer = find_initializer(b_initializer)

    def kernel_options(self) -> dict[str, Any]:
        """Return what decides which kernel runs."""
        return {"heads": self.heads, "causal": self.causal}

    def create(self, query: Shape, keys: Shape, values: Shape) -> int:
        """Create the parameters for inputs (batch, time, features); return the units.

        Raises
        ------
        ShapeError
        """
        for shape in (query, keys, values):
            if len(shape) != 3:
                raise ShapeError(f"{self.label}: expected (batch, time, features), got {show(shape)}")
        features, of_keys, of_values = (self.size_of(shape, -1) for shape in (query, keys, values))
        units = features if self.units is None else self.units
        if units % self.heads:
            raise ShapeError(f"{self.label}: expected features in a multiple of {self.heads} heads, got {show(query)}")
        self.w_q, self.w_k, self.w_v, self.w_o = (
            Parameter((size, units), self.w_initializer) for size in (features, of_keys, of_values, units)
        )
        self.b_q, self.b_k, self.b_v, self.b_o = (
            Parameter((units,), self.b_initializer) if self.use_bias else None for _ in range(4)
        )
        return units

    def projected(
        self, query: Array, keys: Array, values: Array, lengths: Lengths | None, key_lengths: Lengths | None
    ) -> tuple[list[Array], list[Any]]:
        """Return q, k and v, and what the gradients of their projections need; what is past an end counts as 0."""
        backend = self.backend
        dense, zero_past = backend.select("dense"), backend.zero_past
        first = zero_past(query, lengths)
        second = first if keys is query else zero_past(keys, key_lengths)
        given = first, second, second if values is keys else zero_past(values, key_lengths)
        results = [dense.forward(x, w.data, _data(b)) for x, (w, b) in zip(given, self._projections(), strict=True)]
        return [y for y, _ in results], [saved for _, saved in results]

    def projection(self, place: int, x: Array, lengths: Lengths | None) -> Array:
        """Return x as q, k or v, which are place 0, 1 and 2, and keep nothing; what is past an end counts as 0."""
        w, b = self._projections()[place]
        y: Array = self.backend.select("dense").forward(self.backend.zero_past(x, lengths), w.data, _data(b))[0]
        return y

    def projected_back(self, gradients: tuple[Array, ...], saved: list[Any]) -> list[Array]:
        """Return the gradients of query, keys and values; add those of their weights and biases."""
        dense, found = self.backend.select("dense"), []
        for (w, b), own, content in zip(self._projections(), gradients, saved, strict=True):
            found.append(dense.backward(own, content, w.data, gradients=partial(gradients_of, (w, b)))[0])
        return found

    def attend(
        self,
        q: Array,
        k: Array,
        v: Array,
        lengths: Lengths | None,
        key_lengths: Lengths | None,
        mask: Array | None,
        training: bool,
    ) -> tuple[Any, Any]:
        """Return what the layer gives of q, k and v, and what `attend_back` needs.

        Parameters
        ----------
        q, k, v : (batch, time, units)
        lengths, key_lengths : (batch,) integers, or None
        mask : (batch, queries, keys) or (batch, queries, heads, keys), or None
        training : bool
        """
        backend, options, rate = self.backend, {"heads": self.heads, "causal": self.causal}, self.dropout
        keep = self.kept_scores(q.shape[0], q.shape[1], k.shape[1]) if training and rate else None
        alike = key_lengths is lengths and q.shape[1] == k.shape[1]
        if alike and keep is None and mask is None and not self.return_scores:
            kernel = backend.select("attention", **options)
            y, content = kernel.forward(q, k, v, lengths, **options)
            y, last = self._joined(y, lengths)
            return y, (kernel, content, last, lengths, None)
        own = None if mask is None else self.fitting(mask, q.shape[1], k.shape[1])
        allowed, bias = (None, own) if self.additive_mask else (None if own is None else own != 0, None)
        kernel = backend.select("masked_attention", **options)
        y, scores, content = kernel.forward(
            q, k, v, lengths, key_lengths, allowed, bias, keep, **options, rate=rate if keep is not None else 0.0
        )
        y, last = self._joined(y, lengths)
        return (y, scores) if self.return_scores else y, (kernel, content, last, lengths, mask)

    def attend_back(self, dy: Any, saved: Any) -> tuple[tuple[Array, Array, Array], Array | None]:
        """Return the gradients of q, k and v, and of the mask: zeros of one that tells which keys are seen."""
        kernel, content, last, lengths, mask = saved
        backend = self.backend
        dscores: Any
        dy, dscores = dy if self.return_scores else (dy, None)
        if dy is None:  # the scores alone were used
            dy = backend.zeros((*dscores.shape[:2], self.w_o.shape[1]), dscores.dtype)
        dy = self._joined_back(dy, last, lengths)
        if kernel.name != "masked_attention":
            return kernel.backward(dy, content), None
        dq, dk, dv, dbias = kernel.backward(dy, dscores, content)
        return (dq, dk, dv), None if mask is None else self._mask_back(dbias, mask)

    def _mask_back(self, dbias: Array | None, mask: Array) -> Array:
        """Return the gradient of a mask as it was given: 0 where it was cut, and of one that was not added."""
        if dbias is not None and dbias.shape == mask.shape:
            return dbias
        found = self.backend.zeros(mask.shape, mask.dtype)
        if dbias is not None:
            found[:, : dbias.shape[1], ..., : dbias.shape[-1]] = dbias
        return found

    def _joined(self, y: Array, lengths: Lengths | None) -> tuple[Array, Any]:
        """Return y w_o + b_o, and what its gradient needs."""
        y, last = self.backend.select("dense").forward(y, self.w_o.data, _data(self.b_o))
        return self.backend.zero_past(y, lengths), last

    def _joined_back(self, dy: Array, last: Any, lengths: Lengths | None) -> Array:
        """Return the gradient of what `_joined` was given; add those of w_o and b_o."""
        dense = self.backend.select("dense")
        dy, gradients = self.backend.zero_past(dy, lengths), partial(gradients_of, (self.w_o, self.b_o))
        dx: Array = dense.backward(dy, last, self.w_o.data, gradients=gradients)[0]
        return dx

    def require_mask(self, mask: Shape, queries: int | None, keys: int | None) -> None:
        """Raise `ShapeError` where a mask's shape does not fit so many queries and keys, None being any number."""
        wanted = (None, queries, keys) if len(mask) == 3 else (None, queries, self.heads, keys)
        fits = len(mask) == len(wanted) and all(
            None in (own, other) or own == other for own, other in zip(mask, wanted, strict=True)
        )
        if not fits:
            expected = show((None, queries, keys)), show((None, queries, self.heads, keys))
            raise ShapeError(f"{self.label}: expected a mask {expected[0]} or {expected[1]}, got {show(mask)}")

    def fitting(self, mask: Array, queries: int, keys: int) -> Array:
        """Return a mask of so many queries and keys: one of more is cut, as sequences are.

        Raises
        ------
        ShapeError
            If it has fewer.
        """
        if mask.shape[1] < queries or mask.shape[-1] < keys:
            self.require_mask(mask.shape, queries, keys)
        return mask[:, :queries, ..., :keys]

    def require_mask_lengths(self, lengths: Any, queries: int) -> None:
        """Raise `ShapeError` where a mask has lengths that are not the query's."""
        if isinstance(lengths, tuple) and len(lengths) > self._mask_at and lengths[self._mask_at] is not None:
            require_one_length(self.label, (lengths[0], lengths[self._mask_at]), (queries, queries))

    def require_alike_keys(self, keys: Shape, values: Shape) -> None:
        """Raise `ShapeError` where there are not as many values as keys."""
        if keys[1] != values[1]:
            raise ShapeError(f"{self.label}: expected a value for each key, got {show(keys)} and {show(values)}")

    def kept_scores(self, rows: int, queries: int, keys: int, before: Lengths | None = None) -> Array:
        """Return which scores are not dropped: (rows, queries, heads, keys), bool.

        What is drawn for a query and a key does not depend on how many there are: not on padding, nor on the batch.

        Parameters
        ----------
        rows, queries, keys : int
        before : (rows,) integers, optional
            How many queries each row had before these; none if not given.
        """
        first = np.zeros(1, np.int64) if before is None else before
        # Pairs are counted in squares: those of the first step, then those that the second one adds, and so on.
        query = (first[:, None] + np.arange(queries))[:, :, None]
        key = np.arange(keys)[None, None, :]
        larger = np.maximum(query, key)
        places = larger * larger + np.where(key < query, key, larger + query)
        drawn = self.keep_mask((rows, int(places.max(initial=0)) + 1, self.heads), self.dropout)
        backend = self.backend
        index = backend.asarray(places.reshape(len(first), -1, 1), "int64")
        index = backend.xp.broadcast_to(index, (rows, queries * keys, self.heads))
        chosen = backend.xp.take_along_axis(drawn, index, axis=1)
        return backend.permute(backend.reshape(chosen, (rows, queries, keys, self.heads)), (0, 1, 3, 2))

    # In a stream.

    def stream_state(self, batch: int) -> tuple[Array, Array, Lengths]:
        """Return no keys and no values, (batch, 0, units) each, and how many each row has: 0, (batch,).

        Raises
        ------
        StreamError
            Unless it is causal, and gives no scores.
        """
        if not self.causal:
            raise StreamError(f"{self.label}: cannot stream unless causal=True: each step attends to later ones")
        if self.return_scores:
            raise StreamError(f"{self.label}: cannot stream with return_scores=True: each step has more of them")
        if len(self.input_shapes) > self._mask_at:
            raise StreamError(f"{self.label}: cannot stream with a mask: it tells of all keys at once")
        bound = self.bound()
        none = bound.backend.zeros((batch, 0, self.w_k.shape[1]), bound.dtype_object)
        return none, none, no_steps(batch)

    def attend_next(
        self, q: Array, k: Array, v: Array, state: Any, lengths: Lengths | None, training: bool
    ) -> tuple[Array, tuple[Array, Array, Lengths], Any]:
        """Return what the next queries get of all keys so far, the state after, and what `attend_back` needs.

        Raises
        ------
        ShapeError
            If the state is none of this layer's.
        """
        backend, rate = self.backend, self.dropout
        keys, values, counts = state or self.stream_state(k.shape[0])
        if keys.shape != values.shape or (counts > keys.shape[1]).any():
            got = f"{tuple(keys.shape)}, {tuple(values.shape)} and {counts.tolist()}"
            raise ShapeError(
                f"{self.label}: expected a state with keys and values for each of a row's steps, got {got}"
            )
        keys, values = (backend.append_steps(old, counts, new, lengths) for old, new in ((keys, k), (values, v)))
        after = keys, values, counts + (k.shape[1] if lengths is None else lengths)
        options: dict[str, Any] = {"heads": self.heads}
        kernel = backend.select("cached_attention", **options)
        if training and rate:
            options |= {"keep": self.kept_scores(q.shape[0], q.shape[1], keys.shape[1], counts), "rate": rate}
        y, content = kernel.forward(q, keys, values, lengths, counts, **options)
        y, last = self._joined(y, lengths)
        return y, after, (kernel, content, last, lengths, None)

    def _projections(self) -> tuple[tuple[Parameter, Parameter | None], ...]:
        return (self.w_q, self.b_q), (self.w_k, self.b_k), (self.w_v, self.b_v)


def _data(parameter: Parameter | None) -> Array | None:
    return None if parameter is None else parameter.data
