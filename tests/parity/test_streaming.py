"""Causal convolution, attention and positions in pieces equal PyTorch over whole rows; truncated, detached states."""

import numpy as np
import pytest

import lamina
from lamina import Composite, Residual, Sequential, Stream
from lamina.layers import (
    GRU,
    LSTM,
    Attention,
    AveragePool1D,
    Conv1D,
    Conv1DTranspose,
    Dense,
    GlobalAveragePool1D,
    GlobalMaxPool1D,
    MaxPool1D,
    PositionalEncoding,
    SelfAttention,
)

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")
pytestmark = pytest.mark.parity
F = torch.nn.functional

BATCH, TIME, FEATURES = 5, 11, 4
LENGTHS = np.array([11, 4, 0, 1, 7])
CUTS = {"steps": [1] * 11, "pieces": [3, 1, 5, 2], "whole": [11]}


def numbers(*shape, seed=0):
    return np.random.default_rng((seed, *shape)).standard_normal(shape)


def tensor(array):
    return torch.tensor(np.ascontiguousarray(array), dtype=torch.float64)


def built(layer, backend):
    layer.build((None, None, FEATURES), backend=backend, dtype="float64", seed=0)
    for place, parameter in enumerate(layer.parameters()):
        parameter.data = numbers(*parameter.shape, seed=place)
    return layer


def streamed(model, cuts, lengths):
    """Return the outputs of all pieces; past each row's end the inputs are NaN."""
    x = numbers(BATCH, TIME, FEATURES)
    if lengths is not None:
        x = np.where((np.arange(TIME) < lengths[:, None])[:, :, None], x, np.nan)
    stream, parts, start = Stream(model), [], 0
    for size in cuts:
        options = {} if lengths is None else {"lengths": np.clip(lengths - start, 0, size)}
        parts.append(stream(x[:, start : start + size], **options))
        start += size
    return parts


def torch_convolution(layer, x):
    padded = F.pad(x.T[None], ((layer.kernel_size - 1) * layer.dilation, 0))
    w, b = tensor(layer.w.data).permute(2, 1, 0), tensor(layer.b.data)
    return F.conv1d(padded, w, b, dilation=layer.dilation, groups=layer.groups)[0].T


def torch_transposed(layer, x):
    w, b = tensor(layer.w.data).permute(1, 2, 0), tensor(layer.b.data)
    return F.conv_transpose1d(x.T[None], w, b, dilation=layer.dilation, groups=layer.groups)[0, :, : len(x)].T


def torch_maxima(layer, x):
    padded = F.pad(x.T[None], ((layer.pool - 1) * layer.dilation, 0), value=-np.inf)
    return F.max_pool1d(padded, layer.pool, 1, dilation=layer.dilation)[0].T


def torch_averages(layer, x):
    padded, ones = (F.pad(one.T[None], (layer.pool - 1, 0)) for one in (x, torch.ones_like(x)))
    y = F.avg_pool1d(padded, layer.pool, 1)
    return (y if layer.count_padding else y / F.avg_pool1d(ones, layer.pool, 1))[0].T


def torch_attention(layer, x):
    q, k, v = (
        (x @ tensor(w.data) + tensor(b.data)).reshape(len(x), layer.heads, -1).transpose(0, 1)
        for w, b in ((layer.w_q, layer.b_q), (layer.w_k, layer.b_k), (layer.w_v, layer.b_v))
    )
    y = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(0, 1).reshape(len(x), -1)
    return y @ tensor(layer.w_o.data) + tensor(layer.b_o.data)


def torch_positions(layer, x):
    places = torch.arange(len(x), dtype=torch.float64)[:, None]
    angle = places * torch.exp(-torch.arange(0, FEATURES, 2) / FEATURES * torch.log(tensor(10000.0)))
    return x + torch.stack([angle.sin(), angle.cos()], -1).reshape(len(x), FEATURES)


LAYERS = {
    "convolution": (lambda: Conv1D(3, 3, padding="causal"), torch_convolution),
    "convolution, dilated": (lambda: Conv1D(3, 4, padding="causal", dilation=3), torch_convolution),
    "convolution, depthwise": (lambda: Conv1D(8, 3, padding=(4, 0), dilation=2, groups=4), torch_convolution),
    "convolution, transposed": (lambda: Conv1DTranspose(6, 3, padding="causal", dilation=2), torch_transposed),
    "convolution, transposed, groups": (lambda: Conv1DTranspose(6, 2, padding=(0, 1), groups=2), torch_transposed),
    "maxima": (lambda: MaxPool1D(3, 1, (4, 0), dilation=2), torch_maxima),
    "averages": (lambda: AveragePool1D(4, 1, (3, 0)), torch_averages),
    "averages, counted": (lambda: AveragePool1D(4, 1, (3, 0), count_padding=True), torch_averages),
    "convolution, one step": (lambda: Conv1D(3, 1), torch_convolution),
    "attention": (lambda: SelfAttention(2, causal=True), torch_attention),
    "attention, units": (lambda: SelfAttention(3, 6, causal=True), torch_attention),
    "positions": (PositionalEncoding, torch_positions),
}


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
@pytest.mark.parametrize("cuts", CUTS)
@pytest.mark.parametrize("name", LAYERS)
def test_pieces_equal_whole_rows(equal, name, cuts, lengths, backend):
    make, peer = LAYERS[name]
    layer = built(make(), backend)
    y = np.concatenate(streamed(layer, CUTS[cuts], lengths), 1)
    x, ends = tensor(numbers(BATCH, TIME, FEATURES)), [TIME] * BATCH if lengths is None else lengths
    for row, end in enumerate(ends):
        if end:
            equal(f"streamed: {name}", y[row, :end], peer(layer, x[row, :end]), 1e-12)
        assert not y[row, end:].any()


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
@pytest.mark.parametrize("pool", [GlobalMaxPool1D, GlobalAveragePool1D])
def test_pooled_so_far(equal, pool, lengths, backend):
    parts = streamed(built(pool(), backend), CUTS["pieces"], lengths)
    x, ends = tensor(numbers(BATCH, TIME, FEATURES)), np.full(BATCH, TIME) if lengths is None else lengths
    for y, seen in zip(parts, np.cumsum(CUTS["pieces"]), strict=True):
        for row, end in enumerate(np.minimum(ends, seen)):
            steps = x[row, :end] if end else torch.zeros(1, FEATURES, dtype=torch.float64)
            equal(
                f"streamed: {pool.__name__}", y[row], steps.amax(0) if pool is GlobalMaxPool1D else steps.mean(0), 1e-12
            )


class Torch:
    """The model below, chunk by chunk; what the layers keep is detached between the chunks."""

    def __init__(self, model):
        self.w = {name: tensor(array).requires_grad_() for name, array in model.state_dict().items()}

    def begin(self, rows):
        self.keys = [torch.zeros(0, FEATURES, dtype=torch.float64) for _ in range(rows)]
        self.values = list(self.keys)
        self.inputs = [torch.zeros(4, FEATURES, dtype=torch.float64) for _ in range(rows)]  # (3 - 1) dilation
        self.states = [(torch.zeros(3, dtype=torch.float64),) * 2 for _ in range(rows)]
        self.places = [0] * rows

    def row(self, row, x):
        """Return the outputs of a row's next steps (steps, features)."""
        w, start = self.w, self.places[row]
        x = torch_positions(None, torch.cat([torch.zeros(start, FEATURES, dtype=torch.float64), x]))[start:]
        q, k, v = (x @ w[f"1.inner.w_{one}"] + w[f"1.inner.b_{one}"] for one in "qkv")
        keys, values = torch.cat([self.keys[row], k]), torch.cat([self.values[row], v])
        allowed = torch.arange(len(keys))[None] <= start + torch.arange(len(x))[:, None]
        heads = (one.reshape(len(one), 2, -1).transpose(0, 1) for one in (q, keys, values))
        y = F.scaled_dot_product_attention(*heads, attn_mask=allowed).transpose(0, 1).reshape(len(x), -1)
        x = x + y @ w["1.inner.w_o"] + w["1.inner.b_o"]
        inputs = torch.cat([self.inputs[row], x])
        x = sum(inputs[2 * i : 2 * i + len(x)] @ w["2.w"][i] for i in range(3)) + w["2.b"]
        (h, c), outputs = self.states[row], []
        for step in x:
            i, f, g, o = (step @ w["3.w_x"] + h @ w["3.w_h"] + w["3.b"]).chunk(4)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            outputs.append(h)
        self.keys[row], self.values[row], self.inputs[row] = keys.detach(), values.detach(), inputs[-4:].detach()
        self.states[row], self.places[row] = (h.detach(), c.detach()), start + len(q)
        return torch.stack(outputs) @ w["4.w"] + w["4.b"]


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("ragged", [False, True], ids=["full", "ragged"])
@pytest.mark.parametrize("size", [1, 4, 11])
def test_truncated_training_equals_detached_states(equal, size, ragged, backend):
    model = Sequential(
        PositionalEncoding(),
        Residual(SelfAttention(2, causal=True)),
        Conv1D(3, 3, padding="causal", dilation=2),
        LSTM(3, return_sequences=True),
        Dense(3),
    )
    model.build((None, None, FEATURES), seed=1, dtype="float64", backend=backend)
    peer, lr = Torch(model), 0.1
    x, y = numbers(BATCH, TIME, FEATURES), np.random.default_rng(0).integers(0, 3, (BATCH, TIME))
    options = {"lengths": LENGTHS} if ragged else {}
    trainer = lamina.Trainer(model, "softmax_cross_entropy", lambda own: lamina.optimizers.SGD(own, lr=lr))
    trainer.fit(x, y, epochs=2, batch_size=3, shuffle=False, truncate=size, verbose=False, **options)
    ends = LENGTHS if ragged else np.full(BATCH, TIME)
    for rows in [range(3), range(3, 5)] * 2:
        peer.begin(BATCH)
        for start in range(0, TIME, size):
            losses, targets = [], []
            for row in rows:
                stop = min(start + size, ends[row])
                if stop > start:
                    losses.append(peer.row(row, tensor(x[row, start:stop])))
                    targets.append(torch.tensor(y[row, start:stop]))
            if losses:
                value = F.cross_entropy(torch.cat(losses), torch.cat(targets))
                gradients = torch.autograd.grad(value, list(peer.w.values()), allow_unused=True)
                with torch.no_grad():
                    for own, gradient in zip(peer.w.values(), gradients, strict=True):
                        own -= lr * gradient
    for name, array in model.state_dict().items():
        equal("truncated: causal layers", array, peer.w[name])


class Decoding(Composite):
    """A GRU that goes on from another one's last state and attends to its outputs."""

    def __init__(self):
        self.encoder = GRU(4, return_sequences=True, return_state=True)
        self.decoder, self.attention = GRU(4, return_sequences=True), Attention(2)

    def compose(self, t, source, target):
        memory, state = t(self.encoder, source)
        return t(self.attention, t(self.decoder, target, state), memory)


def torch_gru(layer):
    """Return PyTorch's GRU with a layer's weights; its gates stand in the order r, z, n."""
    twin = torch.nn.GRU(layer.w_x.shape[0], layer.units, batch_first=True).double()
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    inner = np.concatenate([np.zeros(2 * layer.units), layer.b_h.numpy()])
    ours = (layer.w_x.numpy().T, layer.w_h.numpy().T, layer.b.numpy(), inner)
    with torch.no_grad():
        for name, own in zip(names, ours, strict=True):
            getattr(twin, name).copy_(tensor(own))
    return twin


@pytest.mark.parametrize("backend", ["numpy", "reference"])
def test_a_decoder_step_by_step_from_what_an_encoder_gives(equal, backend):
    model = Decoding()
    model.build((None, None, FEATURES), (None, None, FEATURES), backend=backend, dtype="float64", seed=0)
    for place, parameter in enumerate(model.parameters()):
        parameter.data = numbers(*parameter.shape, seed=place)
    source, target, lengths = numbers(BATCH, TIME, FEATURES), numbers(BATCH, 6, FEATURES, seed=1), [11, 4, 2, 1, 7]
    stream = Stream(model, whole="source")
    stream.begin(source, lengths=lengths)
    found = np.stack([np.asarray(stream(target[:, step])) for step in range(6)], axis=1)

    layer = model.attention
    twin = torch.nn.MultiheadAttention(4, 2, batch_first=True).double()
    with torch.no_grad():
        twin.in_proj_weight.copy_(tensor(np.concatenate([w.numpy().T for w in (layer.w_q, layer.w_k, layer.w_v)])))
        twin.in_proj_bias.copy_(tensor(np.concatenate([b.numpy() for b in (layer.b_q, layer.b_k, layer.b_v)])))
        twin.out_proj.weight.copy_(tensor(layer.w_o.numpy().T))
        twin.out_proj.bias.copy_(tensor(layer.b_o.numpy()))
        encoder, decoder = torch_gru(model.encoder), torch_gru(model.decoder)
        for row, length in enumerate(lengths):
            memory, state = encoder(tensor(source[row : row + 1, :length]))
            h = decoder(tensor(target[row : row + 1]), state)[0]
            equal("decoding", found[row : row + 1], twin(h, memory, memory)[0])
