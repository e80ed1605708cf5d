"""Attention by products and a softmax over the keys that a query may see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from lamina.core.parameter import Parameter
from lamina.kinds.attention import AttentionLayer
from lamina.layers import Attention, SelfAttention
from lamina.onnx.axes import pick_steps
from lamina.onnx.graph import Graph, Tensor
from lamina.onnx.translation import translates

__all__: list[str] = []

_BY_HEAD = [0, 2, 1, 3]  # (batch, time, heads, size) and (batch, heads, time, size), one of the other


class _Heads(NamedTuple):
    """Queries, keys and values as they were projected, (batch, time, units), and the lengths of query and keys."""

    q: str
    k: str
    v: str
    lengths: str | None
    key_lengths: str | None


@translates(SelfAttention, streams=True)
def _self_attention(graph: Graph, layer: SelfAttention, states: Sequence[str], x: Tensor, *masks: Tensor) -> Any:
    return _attended(graph, layer, states, (x, x, x), masks)


@translates(Attention, streams=True)
def _attention(
    graph: Graph, layer: Attention, states: Sequence[str], query: Tensor, keys: Tensor, *further: Tensor
) -> Any:
    values = further[0] if further else keys
    lengths = next((one.lengths for one in (keys, values) if one.lengths is not None), None)
    keys, values = keys._replace(lengths=lengths), values._replace(lengths=lengths)
    return _attended(graph, layer, states, (query, keys, values), further[1:])


def _attended(
    graph: Graph,
    layer: AttentionLayer,
    states: Sequence[str],
    given: tuple[Tensor, Tensor, Tensor],
    masks: Sequence[Tensor],
) -> tuple[Any, Sequence[str]]:
    query, keys, _ = given
    pairs = ((layer.w_q, layer.b_q), (layer.w_k, layer.b_k), (layer.w_v, layer.b_v))
    q, k, v = (_projected(graph, one, *pair) for one, pair in zip(given, pairs, strict=True))
    heads = _Heads(q, k, v, query.lengths, keys.lengths)
    after: Sequence[str] = ()
    allowed: str | None
    if states:
        heads, allowed, after = _kept(graph, heads, states)
    else:
        allowed = _allowed(graph, layer, heads)
    added = None
    if masks:
        own = _by_head(graph, layer, heads, masks[0])
        if layer.additive_mask:
            added = own
        else:
            seen = graph.chain(graph.add("Equal", own, 0.0), ("Not",))
            allowed = seen if allowed is None else graph.add("And", seen, allowed)
    y, scores = _weighted(graph, layer, heads, allowed, added)
    y = graph.fill_past(graph.dense(y, layer.w_o, layer.b_o), 3, query.lengths)
    lengths, shape = query.lengths, (None, query.shape[1])
    output = Tensor(y, (*shape, layer.w_o.shape[1]), lengths)
    if not layer.return_scores:
        return output, after
    scores = graph.fill_past(graph.add("Transpose", scores, perm=[0, 2, 1, 3]), 4, lengths)
    return (output, Tensor(scores, (*shape, layer.heads, keys.shape[1]), lengths)), after


def _projected(graph: Graph, x: Tensor, w: Parameter, b: Parameter | None) -> str:
    return graph.dense(graph.fill_past(x, 3, x.lengths), w, b)


def _allowed(graph: Graph, layer: AttentionLayer, heads: _Heads) -> str | None:
    """Return (batch or 1, 1, queries or 1, keys) truth values, or None where every query may see every key."""
    allowed = None
    if heads.key_lengths is not None:
        valid = graph.valid(heads.key_lengths, graph.size(heads.k, 1))
        allowed = graph.add("Unsqueeze", valid, [1, 2])
    if layer.causal:
        queries = graph.add("Unsqueeze", graph.steps(graph.size(heads.q, 1)), [0, 1, 3])
        before = graph.add("LessOrEqual", _key_steps(graph, heads), queries)
        allowed = before if allowed is None else graph.add("And", before, allowed)
    return allowed


def _key_steps(graph: Graph, heads: _Heads) -> str:
    return graph.add("Unsqueeze", graph.steps(graph.size(heads.k, 1)), [0, 1, 2])


def _by_head(graph: Graph, layer: AttentionLayer, heads: _Heads, mask: Tensor) -> str:
    """Return a mask (batch, heads or 1, queries, keys), cut to as many as there are."""
    name = graph.fill_past(mask, mask.rank, heads.lengths) if layer.additive_mask else mask.name
    for axis, x in ((1, heads.q), (mask.rank - 1, heads.k)):
        name = graph.add("Slice", name, [0], graph.size(x, 1), [axis])
    if mask.rank == 3:
        return graph.add("Unsqueeze", name, [1])
    return graph.add("Transpose", name, perm=[0, 2, 1, 3])


def _weighted(
    graph: Graph, layer: AttentionLayer, heads: _Heads, allowed: str | None, added: str | None
) -> tuple[str, str]:
    """Return the values' mean by the scores, heads side by side, and the scores (batch, heads, queries, keys)."""
    units = layer.w_o.shape[0]
    size = units // layer.heads
    q, k, v = (graph.add("Reshape", x, [0, 0, layer.heads, size]) for x in (heads.q, heads.k, heads.v))
    q, single = graph.add("Mul", q, size**-0.5), graph.dtype == "float32"
    if single:
        q, k, v = (graph.add("Transpose", x, perm=p) for x, p in ((q, _BY_HEAD), (k, [0, 2, 3, 1]), (v, _BY_HEAD)))
        scores = graph.add("MatMul", q, k)
    else:  # some versions of ONNX Runtime cannot multiply what a Transpose gives in double precision
        scores = graph.add("Einsum", q, k, equation="bqhd,bkhd->bhqk")
    scores = scores if added is None else graph.add("Add", scores, added)
    if allowed is None and added is None:
        weights = graph.add("Softmax", scores, axis=-1)
    else:
        weights = _softmax_of_some(graph, scores if allowed is None else graph.add("Where", allowed, scores, -np.inf))
    if single:
        y = graph.add("Transpose", graph.add("MatMul", weights, v), perm=_BY_HEAD)
    else:
        y = graph.add("Einsum", weights, v, equation="bhqk,bkhd->bqhd")
    return graph.add("Reshape", y, [0, 0, units]), weights


def _softmax_of_some(graph: Graph, scores: str) -> str:
    """Return the softmax over the last axis of what may be minus infinity; 0 where all is."""
    largest = graph.add("ReduceMax", scores, [-1])
    largest = graph.add("Where", graph.add("Equal", largest, -np.inf), 0.0, largest)
    powers = graph.chain(scores, ("Sub", largest), ("Exp",))
    total = graph.add("ReduceSum", powers, [-1])
    return graph.add("Div", powers, graph.add("Where", graph.add("Equal", total, 0.0), 1.0, total))


def _kept(graph: Graph, heads: _Heads, states: Sequence[str]) -> tuple[_Heads, str, Sequence[str]]:
    """Return all keys and values so far, of each row one behind the other, what a query may see, and the states."""
    keys, values, counts = states
    had = graph.full_lengths(heads.k) if heads.lengths is None else heads.lengths
    total, own = graph.add("Add", counts, had), graph.column(counts)
    most = graph.add("ReduceMax", total, [0])
    places = graph.add("Unsqueeze", graph.steps(most), [0])
    # What is new to a row stands behind all that is old of any row.
    later = graph.add("Sub", graph.add("Add", places, graph.size(keys, 1)), own)
    taken = graph.add("Where", graph.add("Less", places, own), places, later)
    inside = graph.add("Less", places, graph.column(total))
    k, v = (
        pick_steps(graph, Tensor(graph.add("Concat", old, new, axis=1), (None, None, None)), taken, inside)
        for old, new in ((keys, heads.k), (values, heads.v))
    )
    heads = heads._replace(k=k, v=v)
    queries = graph.add("Unsqueeze", graph.steps(graph.size(heads.q, 1)), [0, 1, 3])
    places = graph.add("Add", queries, graph.add("Unsqueeze", counts, [1, 2, 3]))
    return heads, graph.add("LessOrEqual", _key_steps(graph, heads), places), (k, v, total)
