"""SelfAttention equals torch.nn.MultiheadAttention: outputs and every gradient, padding and causality masked."""

import numpy as np
import pytest

from lamina.layers import Attention, SelfAttention

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")
pytestmark = pytest.mark.parity

BATCH, TIME, UNITS = 6, 9, 8
LENGTHS = np.array([4, 1, 9, 9, 2, 7])


def numbers(*shape, seed=0):
    return np.random.default_rng((seed, *shape)).standard_normal(shape)


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("heads", [1, 2, 8])
@pytest.mark.parametrize("causal", [False, True], ids=["all", "causal"])
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no-bias"])
def test_self_attention(equal, backend, heads, causal, lengths, bias):
    layer = SelfAttention(heads, causal=causal, use_bias=bias)
    layer.build((None, None, UNITS), backend=backend, dtype="float64", seed=0)
    for parameter in layer.parameters():
        parameter.data = numbers(*parameter.shape, seed=ord(parameter.name[-1]))
    x, dy = numbers(BATCH, TIME, UNITS), numbers(BATCH, TIME, UNITS, seed=1)
    past = np.arange(TIME) >= (np.full(BATCH, TIME) if lengths is None else lengths)[:, None]
    padded = np.where(past[..., None], np.nan, x)
    y, saved = layer.forward(padded, lengths=lengths)
    dx = layer.backward(dy, saved)

    peer = torch.nn.MultiheadAttention(UNITS, heads, bias=bias, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        weights = [parameter.numpy().T for parameter in (layer.w_q, layer.w_k, layer.w_v)]
        peer.in_proj_weight.copy_(torch.tensor(np.concatenate(weights)))
        peer.out_proj.weight.copy_(torch.tensor(layer.w_o.numpy().T.copy()))
        if bias:
            biases = [parameter.numpy() for parameter in (layer.b_q, layer.b_k, layer.b_v)]
            peer.in_proj_bias.copy_(torch.tensor(np.concatenate(biases)))
            peer.out_proj.bias.copy_(torch.tensor(layer.b_o.numpy()))
    x_t = torch.tensor(x, requires_grad=True)
    later = torch.triu(torch.ones(TIME, TIME, dtype=torch.bool), 1) if causal else None
    y_t, _ = peer(x_t, x_t, x_t, key_padding_mask=torch.tensor(past), attn_mask=later, need_weights=False)
    y_t = y_t * torch.tensor(~past[..., None])  # torch's padding attends too; ours is 0
    y_t.backward(torch.tensor(dy))

    part = f"SelfAttention{', causal' if causal else ''}{'' if lengths is None else ', lengths'}"
    in_proj = peer.in_proj_weight.grad.split(UNITS)
    for ours, theirs in (
        (y, y_t),
        (dx, x_t.grad),
        *((w.grad, own.T) for w, own in zip((layer.w_q, layer.w_k, layer.w_v), in_proj, strict=True)),
        (layer.w_o.grad, peer.out_proj.weight.grad.T),
    ):
        equal(part, ours, theirs)
    if bias:
        own = (layer.b_q, layer.b_k, layer.b_v)
        for b, theirs in zip(own, peer.in_proj_bias.grad.split(UNITS), strict=True):
            equal(part, b.grad, theirs)
        equal(part, layer.b_o.grad, peer.out_proj.bias.grad)


KEYS = 7
OF_KEYS = np.array([7, 1, 3, 5, 2, 7])
ALLOWED = numbers(BATCH, TIME, KEYS, seed=5) > 0
ALLOWED[:, :, 0] = True  # where nothing is allowed torch gives NaN
FURTHER = {
    "all": (None, {}),
    "causal": (None, {"causal": True}),
    "mask": (ALLOWED, {}),
    "bias": (numbers(BATCH, TIME, KEYS, seed=6), {"additive_mask": True}),
}


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("ragged", [False, True], ids=["full", "ragged"])
@pytest.mark.parametrize("further", FURTHER)
def test_attention_to_another_sequence(equal, backend, further, ragged):
    mask, settings = FURTHER[further]
    heads, sizes = 2, (UNITS, 5, 3)
    layer = Attention(heads, return_scores=True, **settings)
    masks = [] if mask is None else [(None, None, None)]
    layer.build(*((None, None, size) for size in sizes), *masks, backend=backend, dtype="float64", seed=0)
    for parameter in layer.parameters():
        parameter.data = numbers(*parameter.shape, seed=ord(parameter.name[-1]))
    query, keys, values = (numbers(BATCH, TIME if size == UNITS else KEYS, size, seed=size) for size in sizes)
    dy = numbers(BATCH, TIME, UNITS, seed=1)
    lengths = (None, OF_KEYS, OF_KEYS, *([None] * len(masks))) if ragged else None
    (y, scores), saved = layer.forward(query, keys, values, *([] if mask is None else [mask * 1.0]), lengths=lengths)
    dquery, dkeys, dvalues, *dmask = layer.backward((dy, np.zeros(scores.shape)), saved)

    peer = torch.nn.MultiheadAttention(UNITS, heads, kdim=5, vdim=3, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        for own, theirs in zip((layer.w_q, layer.w_k, layer.w_v), "qkv", strict=True):
            getattr(peer, f"{theirs}_proj_weight").copy_(torch.tensor(own.numpy().T.copy()))
        peer.in_proj_bias.copy_(torch.tensor(np.concatenate([b.numpy() for b in (layer.b_q, layer.b_k, layer.b_v)])))
        peer.out_proj.weight.copy_(torch.tensor(layer.w_o.numpy().T.copy()))
        peer.out_proj.bias.copy_(torch.tensor(layer.b_o.numpy()))
    given = [torch.tensor(one, requires_grad=True) for one in (query, keys, values)]
    own_mask = None
    if further == "causal":
        own_mask = torch.ones(TIME, KEYS, dtype=torch.bool).triu(1)
    elif mask is not None:
        own_mask = torch.tensor(~mask if mask.dtype == bool else mask).repeat_interleave(heads, 0)
        own_mask.requires_grad_(mask.dtype != bool)
    past = torch.tensor(np.arange(KEYS) >= OF_KEYS[:, None]) if ragged else None
    if past is not None and own_mask is not None and own_mask.is_floating_point():
        past = torch.zeros(past.shape, dtype=torch.float64).masked_fill(past, -torch.inf)
    y_t, scores_t = peer(*given, key_padding_mask=past, attn_mask=own_mask, average_attn_weights=False)
    y_t.backward(torch.tensor(dy))
    part = f"Attention, {further}{', lengths' if ragged else ''}"
    for ours, theirs in (
        (y, y_t),
        (scores, scores_t.transpose(1, 2)),
        *zip((dquery, dkeys, dvalues), (one.grad for one in given), strict=True),
        *(
            (own.grad, getattr(peer, f"{name}_proj_weight").grad.T)
            for own, name in zip((layer.w_q, layer.w_k, layer.w_v), "qkv", strict=True)
        ),
    ):
        equal(part, ours, theirs)
    if further == "bias":
        equal(part, dmask[0], own_mask.grad.unflatten(0, (BATCH, heads)).sum(1))
    elif mask is not None:
        assert not np.asarray(dmask[0]).any()
