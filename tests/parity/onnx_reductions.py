"""ONNX's reductions, normalizations and windows, said with Lamina."""

import numpy as np

import lamina
from lamina import layers
from tests.parity.onnx_said import Unsaid, compose, rows, run, says, wide


def _total():
    return layers.Dense(1, use_bias=False, w_initializer="ones")


def _product(t, own, v):
    parts = t(own.parts, v)
    return t.multiply(*parts)


# How rows (batch, numbers) become (batch, 1), and the layers that it needs.
_REDUCTIONS = {
    "ReduceL1": lambda t, own, v: t(own.total, t(own.relu, v) + t(own.relu, -v)),
    "ReduceL2": lambda t, own, v: t(own.total, v * v) ** 0.5,
    "ReduceLogSum": lambda t, own, v: t(own.log, t(own.total, v)),
    # log sum exp(x) is what a log-softmax subtracts from each number.
    "ReduceLogSumExp": lambda t, own, v: (v - t(own.log_softmax, v))[:, :1],
    "ReduceMax": lambda t, own, v: t(own.maximum, t(own.steps, v)),
    "ReduceMean": lambda t, own, v: t(own.average, t(own.steps, v)),
    "ReduceMin": lambda t, own, v: -t(own.maximum, t(own.steps, -v)),
    "ReduceProd": _product,
    "ReduceSum": lambda t, own, v: t(own.total, v),
    "ReduceSumSquare": lambda t, own, v: t(own.total, v * v),
}
_PARTS = {
    "ReduceL1": lambda size: {"total": _total(), "relu": layers.ReLU()},
    "ReduceLogSum": lambda size: {"total": _total(), "log": layers.Lambda(np.log, derivative=lambda x: 1 / x)},
    "ReduceLogSumExp": lambda size: {"log_softmax": layers.LogSoftmax()},
    "ReduceMax": lambda size: {"maximum": layers.GlobalMaxPool1D(), "steps": layers.Reshape((-1, 1))},
    "ReduceMean": lambda size: {"average": layers.GlobalAveragePool1D(), "steps": layers.Reshape((-1, 1))},
    "ReduceProd": lambda size: {"parts": layers.Split(size)},
}
_PARTS["ReduceMin"] = _PARTS["ReduceMax"]


@says(*_REDUCTIONS)
def _reduce(x, axes=None, *, case):
    if axes is None or not len(axes):
        if case.get("noop_with_empty_axes", 0):
            return [run(layers.Rescaling(), x[None])[0]]
        axes = range(x.ndim)
    axes = [int(axis) % x.ndim for axis in axes]
    shape = [1 if place in axes else size for place, size in enumerate(x.shape)]
    if not case.get("keepdims", 1):
        shape = [size for place, size in enumerate(x.shape) if place not in axes]
    given = rows(x, axes)
    if not given.size:
        raise Unsaid("an axis of no elements")
    parts = _PARTS.get(case.operator, lambda size: {"total": _total()})(given.shape[1])
    return [compose(_REDUCTIONS[case.operator], given, **parts).reshape(shape)]


says("ReduceLogSum", own=True)(_reduce)  # there is no logarithm but in a `Lambda`


def _flat(*parameters):
    return dict(zip(("scale", "shift"), (one.reshape(-1) for one in parameters if one is not None), strict=False))


@says("LayerNormalization")
def _layer_norm(x, scale, shift=None, *, case):
    axis, epsilon = case.get("axis", -1) % x.ndim, case.get("epsilon", 1e-5)
    lead, tail = x.shape[:axis], x.shape[axis:]
    if axis:
        layer = layers.LayerNorm(axis=tuple(range(axis, x.ndim)), epsilon=epsilon, use_shift=shift is not None)
        given = {"scale": scale} | ({} if shift is None else {"shift": shift})
        y = run(layer, x, weights=given)
    else:
        layer = layers.LayerNorm(epsilon=epsilon, use_shift=shift is not None)
        y = run(layer, x.reshape(1, -1), weights=_flat(scale, shift)).reshape(x.shape)

    def moments(t, own, v):
        mean = t(own.average, v)
        return mean, (t(own.average, v * v) - mean * mean + epsilon) ** -0.5

    steps = x.reshape(int(np.prod(lead)), -1, 1)
    found = compose(moments, steps, average=layers.GlobalAveragePool1D())
    return [y, *(one.reshape(*lead, *(1,) * len(tail)) for one in found)]


@says("RMSNormalization")
def _rms_norm(x, scale, *, case):
    axis = case.get("axis", -1) % x.ndim
    rows_of = x.reshape(int(np.prod(x.shape[:axis])), -1)
    layer = layers.RMSNorm(epsilon=case.get("epsilon", 1e-5))
    return [run(layer, rows_of, weights=_flat(np.broadcast_to(scale, x.shape[axis:]))).reshape(x.shape)]


def _narrow(y, x):
    return np.moveaxis(y.reshape(x.shape[0], *x.shape[2:], x.shape[1]), -1, 1)


@says("GroupNormalization", "InstanceNormalization")
def _group_norm(x, scale, shift, *, case):
    groups = case.get("num_groups", x.shape[1])
    layer = layers.GroupNorm(groups, epsilon=case.get("epsilon", 1e-5))
    return [_narrow(run(layer, wide(x), weights=_flat(scale, shift)), x)]


@says("BatchNormalization")
def _batch_norm(x, scale, shift, mean, variance, *, case):
    if case.get("training_mode", 0):
        raise Unsaid("a running variance of the population: Lamina's is the sample's, as PyTorch's")
    weights = {"scale": scale, "shift": shift, "running_mean": mean, "running_variance": variance}
    layer = layers.BatchNorm(epsilon=case.get("epsilon", 1e-5))
    return [_narrow(run(layer, wide(x), weights=weights), x)]


@says("MeanVarianceNormalization")
def _standardized(x, *, case):
    axes = case.get("axes", [0, 2, 3])
    y = run(layers.LayerNorm(epsilon=1e-9, use_scale=False, use_shift=False), rows(x, axes))
    rest = [axis for axis in range(x.ndim) if axis not in axes]
    y = y.reshape(*(x.shape[axis] for axis in (*rest, *axes)))
    return [y.transpose(np.argsort([*rest, *axes]))]


@says("LpNormalization")
def _lp_norm(x, *, case):
    axis, p = case.get("axis", -1), case.get("p", 2)
    given = rows(x, [axis])
    if not (given != 0).any(axis=1).all():
        raise Unsaid("0 divided by 0 taken for 0")

    def divided(t, own, v):
        return v / (t(own.total, v * v) ** 0.5 if p == 2 else t(own.total, t(own.relu, v) + t(own.relu, -v)))

    y = compose(divided, given, total=_total(), **({} if p == 2 else {"relu": layers.ReLU()}))
    moved = np.moveaxis(x, axis, -1)
    return [np.moveaxis(y.reshape(moved.shape), -1, axis)]


@says("LRN")
def _local_response(x, *, case):
    alpha, beta, bias = case.get("alpha", 1e-4), case.get("beta", 0.75), case.get("bias", 1.0)
    channels = np.moveaxis(x, 1, -1).reshape(-1, x.shape[1], 1)
    pool = layers.AveragePool1D(case["size"], 1, "same", count_padding=True)
    y = compose(lambda t, own, v: v * (t(own.pool, v * v) * alpha + bias) ** -beta, channels, pool=pool)
    return [_narrow(y, x)]


@says("GlobalAveragePool", "GlobalMaxPool")
def _global_pool(x, *, case):
    layer = layers.GlobalMaxPool1D() if case.operator == "GlobalMaxPool" else layers.GlobalAveragePool1D()
    return [run(layer, wide(x)).reshape(*x.shape[:2], *(1,) * (x.ndim - 2))]


def _window(case):
    """Return the options of windows over the time."""
    if case.get("auto_pad", "NOTSET") != "NOTSET":
        raise Unsaid("padding by name, in ONNX's ways")
    return {
        "stride": case.get("strides", [1])[0],
        "padding": tuple(case.get("pads", [0, 0])),
        "dilation": case.get("dilations", [1])[0],
    }


@says("AveragePool", "MaxPool")
def _pool(x, *, case):
    options, size = _window(case) | {"ceil": bool(case.get("ceil_mode", 0))}, case["kernel_shape"][0]
    if case.operator == "AveragePool":
        layer = layers.AveragePool1D(size, count_padding=bool(case.get("count_include_pad", 0)), **options)
    else:
        layer = layers.MaxPool1D(size, **options)
    return [run(layer, x.swapaxes(1, 2)).swapaxes(1, 2)]


@says("LpPool")
def _lp_pool(x, *, case):
    p, size = case.get("p", 2), case["kernel_shape"][0]
    pool = layers.AveragePool1D(size, count_padding=True, **_window(case))

    def pooled(t, own, v):
        return (t(own.pool, (t(own.relu, v) + t(own.relu, -v)) ** p) * size) ** (1 / p)

    return [compose(pooled, x.swapaxes(1, 2), pool=pool, relu=layers.ReLU()).swapaxes(1, 2)]


@says("ConvTranspose")
def _transposed(x, w, b=None, *, case):
    layer = layers.Conv1DTranspose(w.shape[1], w.shape[2], use_bias=b is not None, **_window(case))
    weights = {"w": w.transpose(2, 0, 1)} | ({} if b is None else {"b": b})
    return [run(layer, x.swapaxes(1, 2), weights=weights).swapaxes(1, 2)]


@says("Dropout")
def _dropout(x, ratio=None, training=None, *, case):
    if 1 in case.outputs:
        raise Unsaid("the mask of a dropout as an output")
    rate = case.get("ratio", 0.5) if ratio is None else float(ratio)
    drops = training is not None and bool(training)
    if drops and rate:
        raise Unsaid("random numbers, drawn by NumPy's generator of old")
    return [run(lamina.layers.Dropout(rate), x[None], training=drops)[0]]
