"""ONNX's losses and optimizers, said with Lamina."""

import numpy as np

from lamina import layers, losses, optimizers
from tests.parity.onnx_said import Say, Unsaid, compose, run, says


def _rows(x):
    """Return (rows, classes) of (batch, classes, ...)."""
    return np.moveaxis(x, 1, -1).reshape(-1, x.shape[1])


@says("NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss")
def _loss(x, labels, weight=None, *, case):
    softmax = case.operator == "SoftmaxCrossEntropyLoss"
    given, y = _rows(x), labels.reshape(-1).astype(np.int64)
    ignored, reduction = case.get("ignore_index"), case.get("reduction", "mean")
    logarithms = run(layers.LogSoftmax(), given) if softmax else given
    log_prob = np.moveaxis(logarithms.reshape(x.shape[0], *x.shape[2:], x.shape[1]), -1, 1)
    if reduction == "none" or (reduction == "mean" and weight is not None):
        found = _by_class(logarithms, y, weight, ignored, reduction)
        return [found.reshape(labels.shape if reduction == "none" else ()), log_prob]
    cls = losses.SoftmaxCrossEntropy if softmax else losses.NegativeLogLikelihood
    loss = cls(ignored, None if weight is None else tuple(map(float, weight)))
    value = np.asarray(loss(given, y), x.dtype)
    counted = np.sum(y != ignored) if ignored is not None else len(y)
    return [value * x.dtype.type(counted) if reduction == "sum" else value, log_prob]


def _by_class(logarithms, y, weight, ignored, reduction):
    """Return each row's loss, or their mean weighed by class, in parts: Lamina's losses are means over rows."""
    classes, dtype = logarithms.shape[1], logarithms.dtype
    weight = np.ones(classes, dtype) if weight is None else weight
    # A row of the table for each label, and one of zeros for what does not count.
    weights = {
        "total.w": np.ones((classes, 1), dtype),
        "table.w": np.concatenate([np.diag(-weight), np.zeros((1, classes))]).astype(dtype),
        "share.w": np.append(weight, 0).astype(dtype)[:, None],
    }
    parts = {
        "total": layers.Dense(1, use_bias=False),
        "table": layers.Embedding(classes + 1, classes),
        "share": layers.Embedding(classes + 1, 1),
    }
    y = y if ignored is None else np.where(y == ignored, classes, y)

    def each(t, own, ids, v):
        return t(own.total, v * t(own.table, ids)), t(own.share, ids)

    found, share = compose(each, y, logarithms, weights=weights, **parts)
    if reduction == "none":
        return found
    average = layers.GlobalAveragePool1D()
    return compose(lambda t, own, a, b: t(own.mean, a) / t(own.mean, b), found[None], share[None], mean=average)


def _optimizer(case, rate):
    """Return an optimizer's class with its settings, and what it calls ONNX's states, before the first step."""
    options = {"lr": rate, "weight_decay": case.get("norm_coefficient", 0.0)}
    if case.operator == "Momentum":
        options |= {"momentum": case["alpha"], "nesterov": case.get("mode") == "nesterov"}
        return optimizers.SGD, options, ("velocity",)
    options["epsilon"] = case["epsilon"]
    if case.operator == "Adagrad":
        return optimizers.AdaGrad, options, ("accumulator",)
    # Before the first step ONNX corrects no bias: the rate and epsilon undo what Lamina corrects.
    first, second = case["alpha"], case["beta"]
    options |= {"beta1": first, "beta2": second, "epsilon": case["epsilon"] / (1 - second) ** 0.5}
    options["lr"] = rate * (1 - first) / (1 - second) ** 0.5
    return optimizers.Adam, options, ("mean", "square")


@says("Adagrad", "Adam", "Momentum")
def _step(rate, count, *arrays, case):
    if count:
        raise Unsaid("a later step, whose rate another correction has")
    cls, options, names = _optimizer(case, float(rate))
    number = len(arrays) // (2 + len(names))
    starts, gradients, *states = (arrays[place : place + number] for place in range(0, len(arrays), number))
    parts = {f"part_{place}": layers.PReLU() for place in range(number)}

    def beside(t, own, *values):
        return tuple(t(getattr(own, name), value) for name, value in zip(parts, values, strict=True))

    model = Say(beside, parts)
    model.build(*((None, len(x)) for x in starts))
    for parameter, start, gradient in zip(model.parameters(), starts, gradients, strict=True):
        parameter.data[...], parameter.grad[...] = map(model.backend.asarray, (start, gradient))
    optimizer = cls(model.parameters(), **options)
    kept = optimizer.state_dict()
    paths = [parameter.name for parameter in model.parameters()]
    for name, arrays_of in zip(names, states, strict=True):
        for path, array in zip(paths, arrays_of, strict=True):
            kept["parameters"][path][name] = array
    optimizer.load_state_dict(kept)
    optimizer.step()
    after = optimizer.state_dict()["parameters"]
    kept_after = [after[path][name] for name in names for path in paths]
    return list(model.state_dict().values()) + kept_after
