"""Layers without a state from step to step, in PyTorch: each on a single row (1, ...) that has no padding."""

import math

import torch
from torch.nn import functional as F

from lamina import layers
from tests.parity.twin_rows import NotExpressible, Rows, by_row, each_row, expresses, uncut

__all__ = []


@expresses(layers.Dense)
@each_row
def dense(run, layer, x):
    y = x @ run.of(layer.w)
    return y if layer.b is None else y + run.of(layer.b)


POINTWISE = {
    layers.ReLU: lambda layer, x: F.relu(x),
    layers.Sigmoid: lambda layer, x: torch.sigmoid(x),
    layers.Tanh: lambda layer, x: torch.tanh(x),
    layers.SiLU: lambda layer, x: F.silu(x),
    layers.GELU: lambda layer, x: F.gelu(x, approximate=layer.approximate),
    layers.LeakyReLU: lambda layer, x: F.leaky_relu(x, layer.slope),
    layers.ELU: lambda layer, x: F.elu(x, layer.alpha),
    layers.Softmax: lambda layer, x: F.softmax(x, layer.axis) if x.shape[1] else x,
    layers.LogSoftmax: lambda layer, x: F.log_softmax(x, layer.axis) if x.shape[1] else x,
    layers.Softplus: lambda layer, x: F.softplus(x, layer.beta, threshold=500),
    layers.Softsign: lambda layer, x: F.softsign(x),
    layers.SELU: lambda layer, x: F.selu(x),
    # In float64 too, torch's own takes 1 / alpha from float32.
    layers.CELU: lambda layer, x: layer.alpha * F.elu(x / layer.alpha),
    layers.Mish: lambda layer, x: F.mish(x),
    layers.ReLU6: lambda layer, x: F.relu6(x),
    layers.HardSigmoid: lambda layer, x: F.hardtanh(layer.slope * x + layer.offset, 0, 1),
    layers.HardSwish: lambda layer, x: F.hardswish(x),
}
GATES = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": F.relu,
    "gelu": F.gelu,
    "silu": F.silu,
    "linear": lambda x: x,
}


@expresses(*POINTWISE)
@each_row
def pointwise(run, layer, x):
    return POINTWISE[type(layer)](layer, x)


@expresses(layers.PReLU)
@each_row
def prelu(run, layer, x):
    return torch.where(x > 0, x, run.of(layer.slope) * x)


@expresses(layers.GLU)
@each_row
def glu(run, layer, x):
    a, b = x.chunk(2, -1)
    return a * GATES[layer.activation](b)


@expresses(layers.Embedding)
def embedding(run, layer, ids):
    """Look ids up; where a gradient comes back, all of them have been used, also where it is 0."""
    named = {one for row in ids.each for one in row.flatten().tolist()}
    run.named.setdefault(id(layer.w), set()).update(named)

    def use(gradient):
        run.used.setdefault(id(layer.w), set()).update(named)

    y = by_row(lambda place, row: F.embedding(row, run.of(layer.w)), ids)
    for row in y.each:
        if row.requires_grad:
            row.register_hook(use)
    return y


@expresses(layers.LayerNorm)
def layer_norm(run, layer, x):
    if any(x.cut) and layer.axis != -1 and layer.parameter_count and x.each[0].ndim == 3:
        raise NotExpressible("LayerNorm over a time of fixed size, of padded rows")
    return by_row(lambda place, row: _layer_norm(run, layer, row), x)


def _layer_norm(run, layer, x):
    """Bring the axes to the end, as torch wants them."""
    named = layer.axis if isinstance(layer.axis, tuple) else (layer.axis,)
    axes = sorted(axis % x.ndim for axis in named)
    if not x.numel():
        return x
    rest = [axis for axis in range(x.ndim) if axis not in axes]
    order = [*rest, *axes]
    turned = x.permute(order)
    y = F.layer_norm(turned, turned.shape[len(rest) :], run.of(layer.scale), run.of(layer.shift), layer.epsilon)
    return y.permute([order.index(axis) for axis in range(x.ndim)])


@expresses(layers.RMSNorm)
@each_row
def rms_norm(run, layer, x):
    return F.rms_norm(x, x.shape[-1:], run.of(layer.scale), layer.epsilon)


@expresses(layers.GroupNorm)
@each_row
def group_norm(run, layer, x):
    """Bring the features to axis 1, where torch has them; it wants more than one number a group."""
    if not x.numel():
        return x
    scale, shift = run.of(layer.scale), run.of(layer.shift)
    if x[0, ..., 0].numel() * (x.shape[-1] // layer.groups) == 1:
        y = 0 * x if scale is None else 0 * x * scale
        return y if shift is None else y + shift
    return F.group_norm(x.movedim(-1, 1), layer.groups, scale, shift, layer.epsilon).movedim(1, -1)


@expresses(layers.Standardize)
@each_row
def standardize(run, layer, x):
    mean, rest, deviation = (run.of(one).detach() for one in (layer.mean, layer.mean_rest, layer.deviation))
    return (x - mean - rest) / deviation


@expresses(layers.BatchNorm)
def batch_norm(run, layer, x):
    """Normalize all steps of all rows together: in training the one thing here that no row does alone."""
    mean, variance = run.of(layer.running_mean).detach(), run.of(layer.running_variance).detach()
    scale, shift = run.of(layer.scale), run.of(layer.shift)
    if not run.training:
        return x.map(lambda row: _flat(F.batch_norm, row, mean, variance, scale, shift, False, 0.0, layer.epsilon))
    steps = torch.cat([row.reshape(-1, row.shape[-1]) for row in x.each])
    if len(steps) > 1:
        moved = mean.clone(), variance.clone()  # torch's backward pass wants those that it moved as they are
        y = F.batch_norm(steps, *moved, scale, shift, True, layer.momentum, layer.epsilon)
        mean.copy_(moved[0])
        variance.copy_(moved[1])
    else:  # torch refuses what has no variance
        y = 0 * steps if scale is None else 0 * steps * scale
        y = y if shift is None else y + shift
        for step in steps.detach():
            mean += layer.momentum * (step - mean)
    parts = y.split([row[..., 0].numel() for row in x.each])
    return Rows(tuple(part.reshape(row.shape) for part, row in zip(parts, x.each, strict=True)), x.cut)


def _flat(function, row, *settings):
    return function(row.reshape(-1, row.shape[-1]), *settings).reshape(row.shape)


@expresses(layers.Dropout)
@each_row
def dropout(run, layer, x):
    return _dropped(run, layer, x, x.shape)


@expresses(layers.RecurrentDropout)
@each_row
def recurrent_dropout(run, layer, x):
    return _dropped(run, layer, x, (1, 1, x.shape[2]))


def _dropped(run, layer, x, shape):
    return x * run.keep_mask(layer, shape, layer.rate) / (1 - layer.rate) if run.training else x


@expresses(layers.PositionalEncoding)
@each_row
def positional_encoding(run, layer, x):
    time, features = x.shape[1:]
    place = torch.arange(time, dtype=x.dtype)[:, None]
    column = torch.arange(features)
    angle = place / 10000 ** ((column - column % 2).to(x.dtype) / features)
    return x + torch.where(column % 2 == 0, angle.sin(), angle.cos())


@expresses(layers.SelfAttention)
@each_row
def self_attention(run, layer, x, mask=None):
    return _attended(run, layer, x, x, x, mask)


@expresses(layers.Attention)
@each_row
def attention(run, layer, query, keys, values=None, mask=None):
    return _attended(run, layer, query, keys, keys if values is None else values, mask)


def _attended(run, layer, query, keys, values, mask):
    def projected(x, w, b):
        y = x @ run.of(w)
        y = y if b is None else y + run.of(b)
        return y.unflatten(-1, (layer.heads, -1)).transpose(1, 2)

    weights = zip((query, keys, values), (layer.w_q, layer.w_k, layer.w_v), _biases(layer), strict=True)
    q, k, v = (projected(*one) for one in weights)
    logits = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    if mask is not None:
        mask = mask[:, : query.shape[1], ..., : keys.shape[1]]
        mask = mask[:, None] if mask.ndim == 3 else mask.transpose(1, 2)
        logits = logits + mask if layer.additive_mask else logits.masked_fill(mask == 0, -math.inf)
    if layer.causal:
        logits = logits.masked_fill(torch.ones(logits.shape[-2:], dtype=torch.bool).triu(1), -math.inf)
    scores = logits.softmax(-1) if keys.shape[1] else logits
    scores = torch.where(torch.isinf(logits).all(-1, keepdim=True), 0.0, scores)  # nothing to attend to
    kept = scores
    if layer.dropout and run.training:
        kept = scores * run.kept_scores(layer, *logits.shape[-2:]) / (1 - layer.dropout)
    y = (kept @ v).transpose(1, 2).flatten(2) @ run.of(layer.w_o)
    y = y if layer.b_o is None else y + run.of(layer.b_o)
    return (y, scores.transpose(1, 2)) if layer.return_scores else y


def _biases(layer):
    return layer.b_q, layer.b_k, layer.b_v


# One vector of all steps; an empty row gives 0.


@expresses(layers.GlobalMaxPool1D)
@each_row
def global_max_pool(run, layer, x):
    return x.max(1).values if x.shape[1] else x.sum(1)


@expresses(layers.GlobalAveragePool1D)
@each_row
def global_average_pool(run, layer, x):
    return x.mean(1) if x.shape[1] else x.sum(1)


@expresses(layers.LastStep)
@each_row
def last_step(run, layer, x):
    return x[:, -1] if x.shape[1] else x.sum(1)


# Other shapes for the same numbers.


@expresses(layers.Flatten)
def flatten(run, layer, x):
    uncut("Flatten", x)
    return x.map(lambda row: row.flatten(1))


@expresses(layers.Permute)
def permute(run, layer, x):
    if layer.axes[0] != 1:
        uncut("Permute of time", x)
    return x.map(lambda row: row.permute(0, *layer.axes))


@expresses(layers.Reshape)
def reshape(run, layer, x):
    if not any(x.cut):
        return x.map(lambda row: row.reshape(1, *layer.shape))
    rest = math.prod(x.each[0].shape[2:])
    for shapes in layer.places:
        if not _keeps_steps(layer.shape, shapes[0]):
            raise NotExpressible("Reshape of padded rows, not step for step")
    left = rest // math.prod(size for size in layer.shape[1:] if size != -1)
    each = [left if size == -1 else size for size in layer.shape[1:]]
    return x.map(lambda row: row.reshape(1, row.shape[1], *each))


def _keeps_steps(target, shape):
    """Tell whether what follows the time axis has as many numbers in both shapes, whatever the time axis is."""
    if len(shape) < 3 or len(target) < 2:
        return False
    rest = math.prod(shape[2:])
    if -1 not in target[1:]:
        return math.prod(target[1:]) == rest
    # What -1 stands for is known with the time axis alone.
    known = math.prod(size for size in target[1:] if size != -1)
    return shape[1] is not None and target[0] == shape[1] and rest % known == 0


@expresses(layers.RepeatVector)
@each_row
def repeat_vector(run, layer, x):
    return x[:, None, :].expand(1, layer.count, -1)
