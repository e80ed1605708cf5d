"""ONNX's attention, said with Lamina: `Attention`, whose weights pick the heads out of what is given."""

import numpy as np

import lamina
from lamina import layers
from tests.parity.onnx_said import Unsaid, run, says


def _steps(x):
    """Return (batch, time, heads size) of (batch, heads, time, size)."""
    return x.swapaxes(1, 2).reshape(x.shape[0], x.shape[2], -1)


def _picked(given, heads, size, wide, factor=1.0):
    """Return weights that give each of some heads what the given head for it has, in a wider space."""
    w = np.zeros((given, size, heads, wide))
    for head in range(heads):
        w[head * given // heads, :, head, :size] = np.eye(size) * factor
    return w.reshape(given * size, heads * wide)


def _allowed(case, mask, queries, keys, past, lengths):
    """Return which key each query may attend to by the mask and its place, (batch or 1, heads or 1, queries, keys)."""
    allowed = np.ones((1, 1, queries, keys), bool)
    offset = past if lengths is None else (lengths - queries).reshape(-1, 1, 1, 1)
    distance = np.arange(keys) - np.arange(queries)[:, None] - offset
    left, right = case.get("left_window_size", -1), case.get("right_window_size", -1)
    right = 0 if case.get("is_causal", 0) else right
    allowed = allowed & (distance <= right) if right >= 0 else allowed
    allowed = allowed & (distance >= -left) if left >= 0 else allowed
    if mask is None:
        return allowed
    mask = mask.reshape(*(1,) * (4 - mask.ndim), *mask.shape)
    short = keys - mask.shape[-1]
    if mask.dtype == bool:
        return allowed & np.pad(mask, ((0, 0),) * 3 + ((0, short),))
    mask = np.pad(mask, ((0, 0),) * 3 + ((0, short),), constant_values=-np.inf)
    return np.where(allowed, mask, -np.inf).astype(mask.dtype)


@says("Attention", "FlexAttention")
def _attention(q, k, v, mask=None, past_k=None, past_v=None, lengths=None, *, case):
    if case.get("softcap", 0.0):
        raise Unsaid("scores through a tanh (softcap)")
    if "score_mod" in case.attributes or "prob_mod" in case.attributes:
        raise Unsaid("a function of one's own on the scores")
    if 3 in case.outputs and case.get("qk_matmul_output_mode", 0) != 3:
        raise Unsaid("the products of queries and keys as an output, before the softmax")
    shape = q.shape
    heads, of_keys = (case["q_num_heads"], case["kv_num_heads"]) if q.ndim == 3 else (q.shape[1], k.shape[1])
    q, k, v = (x if x.ndim == 3 else _steps(x) for x in (q, k, v))
    presents = []
    past = 0 if past_k is None else past_k.shape[2]
    if past_k is not None:
        k, v = (run(lamina.Concat(axis=1), _steps(before), x) for before, x in ((past_k, k), (past_v, v)))
        presents = [x.reshape(*x.shape[:2], of_keys, -1).swapaxes(1, 2) for x in (k, v)]
    size, of_values = q.shape[-1] // heads, v.shape[-1] // of_keys
    wide = max(size, of_values)
    scale = case.get("scale", 1 / np.sqrt(size))
    weights = {
        "w_q": _picked(heads, heads, size, wide, scale * np.sqrt(wide)),  # the layer divides by the root of its own
        "w_k": _picked(of_keys, heads, size, wide),
        "w_v": _picked(of_keys, heads, of_values, wide),
        "w_o": np.eye(heads * wide),
    }
    options = {"return_scores": True, "use_bias": False}
    inputs, each = [q, k, v], None if lengths is None else [None, lengths, lengths]
    by_place = case.get("left_window_size", -1) >= 0 or case.get("right_window_size", -1) >= 0
    if mask is None and not by_place and not past and lengths is None:
        options["causal"] = bool(case.get("is_causal", 0))
    else:
        allowed = _allowed(case, mask, q.shape[1], k.shape[1], past, lengths)
        options["additive_mask"] = allowed.dtype != bool
        allowed = np.broadcast_to(allowed, (len(q), heads, q.shape[1], k.shape[1])).swapaxes(1, 2)
        inputs.append(np.ascontiguousarray(allowed))
        each = None if each is None else [*each, None]
    layer = layers.Attention(heads, heads * wide, **options)
    weights = {name: value.astype(q.dtype) for name, value in weights.items()}
    y, scores = run(layer, *inputs, weights=weights, lengths=None if each is None else tuple(each))
    y = y.reshape(*y.shape[:2], heads, wide)[..., :of_values]
    y = y.reshape(*y.shape[:2], -1) if len(shape) == 3 else y.swapaxes(1, 2)
    return [y, *(presents or [None, None]), scores.swapaxes(1, 2)]


@says("LinearAttention")
def _linear_attention(*inputs, case):
    raise Unsaid("a state that is a matrix")
