"""What the nodes of other programs' files become: layers, or another way to look at what is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.compose.concat import Concat
from lamina.core.layer import Layer
from lamina.layers import (
    CELU,
    ELU,
    GELU,
    SELU,
    Add,
    BatchNorm,
    Conv1D,
    Dense,
    Divide,
    Embedding,
    GlobalAveragePool1D,
    GlobalMaxPool1D,
    HardSigmoid,
    HardSwish,
    LayerNorm,
    LeakyReLU,
    LogSoftmax,
    Mish,
    Multiply,
    ReLU,
    Rescaling,
    Select,
    Sigmoid,
    Slice,
    Softmax,
    Softplus,
    Softsign,
    Subtract,
    Tanh,
)
from lamina.onnx.packed import PACKED, reordered
from lamina.onnx.reading import Known, Live, Node, NumpyArray, Order, Reading, Unfit, Zeros
from lamina.onnx.recurrences import read_recurrence
from lamina.onnx.views import VIEWS

__all__ = ["READERS"]

Reader = Callable[[Reading, Node], Any]
READERS: dict[str, Reader] = {**VIEWS, **PACKED}
for _name in ("RNN", "GRU", "LSTM"):
    READERS[_name] = read_recurrence


def reads(*operators: str) -> Callable[[Reader], Reader]:
    """Note how nodes are read."""

    def note(reader: Reader) -> Reader:
        READERS.update(dict.fromkeys(operators, reader))
        return reader

    return note


def require_features_last(x: Live) -> None:
    """Raise `Unfit` unless a value has its features last, of all directions together."""
    if not x.axes.endswith("f") or "d" in x.axes:
        raise Unfit("its input has no features as its last axis")


_ACTIVATIONS: dict[str, Callable[[Node], Layer]] = {
    "Relu": lambda _: ReLU(),
    "Tanh": lambda _: Tanh(),
    "Sigmoid": lambda _: Sigmoid(),
    "Softplus": lambda _: Softplus(),
    "Softsign": lambda _: Softsign(),
    "Mish": lambda _: Mish(),
    "HardSwish": lambda _: HardSwish(),
    "Elu": lambda node: ELU(node.attribute("alpha", 1.0)),
    "Celu": lambda node: CELU(node.attribute("alpha", 1.0)),
    "LeakyRelu": lambda node: LeakyReLU(node.attribute("alpha", 0.01)),
    "HardSigmoid": lambda node: HardSigmoid(node.attribute("alpha", 0.2), node.attribute("beta", 0.5)),
    "Gelu": lambda node: GELU(node.attribute("approximate", "none")),
    "Selu": lambda _: SELU(),
}


@reads(*_ACTIVATIONS)
def _activation(reading: Reading, node: Node) -> Live:
    x = node.live()
    return x._replace(number=reading.call(_ACTIVATIONS[node.operator](node), [x.number]))


@reads("Softmax", "LogSoftmax")
def _softmax(reading: Reading, node: Node) -> Live:
    x = node.live()
    require_features_last(x)
    if node.attribute("axis", -1) % len(x.axes) != len(x.axes) - 1:
        raise Unfit("it is over another axis than the features")
    return x._replace(number=reading.call(Softmax() if node.operator == "Softmax" else LogSoftmax(), [x.number]))


@reads("Gemm", "MatMul")
def _dense(reading: Reading, node: Node) -> Live:
    x, w = node.live(), np.asarray(node.known(1))
    require_features_last(x)
    if node.attribute("transB", 0):
        w = w.T
    if node.attribute("transA", 0) or w.ndim != 2 or w.shape[0] != x.features:
        raise Unfit(f"expected a matrix with {x.features} rows, got {w.shape}")
    b = node.known(2) * node.attribute("beta", 1.0) if node.input(2) is not None else None
    w = w * np.asarray(node.attribute("alpha", 1.0), w.dtype)
    b = None if b is None else np.broadcast_to(np.asarray(b).reshape(-1), w.shape[1:])
    return x._replace(number=_called_dense(reading, x, w, b), features=w.shape[1])


def _called_dense(reading: Reading, x: Live, w: NumpyArray, b: NumpyArray | None) -> int:
    if b is None:
        return reading.call(Dense(w.shape[1], use_bias=False), [x.number], w=w)
    return reading.call(Dense(w.shape[1]), [x.number], w=w, b=b)


_JOINING = {"Add": Add, "Mul": Multiply, "Sub": Subtract, "Div": Divide}


@reads(*_JOINING)
def _joined(reading: Reading, node: Node) -> Any:
    a, b = node.input(0), node.input(1)
    if isinstance(a, Known) and isinstance(b, Known):
        return Known(_computed(node.operator, a.array, b.array))
    if isinstance(a, Live) and isinstance(b, Live):
        if a.axes != b.axes or a.ordered != b.ordered:
            raise Unfit("its inputs have different axes")
        return a._replace(number=reading.call(_JOINING[node.operator](broadcast=True), [a.number, b.number]),
                          features=max(a.features, b.features))  # fmt: skip
    x, other = (a, b) if isinstance(a, Live) else (b, a)
    if not isinstance(x, Live) or not isinstance(other, Known):
        raise Unfit("it joins what is no layer's")
    return _with_constant(reading, node.operator, x, np.asarray(other.array), x is a)


def _with_constant(reading: Reading, operator: str, x: Live, value: NumpyArray, first: bool) -> Live:
    if value.size != 1:
        return _with_bias(reading, operator, x, value)
    number = float(value.reshape(()))
    if operator == "Div" and not first:
        raise Unfit("a constant is divided by a layer's output")
    scale, offset = {
        "Add": (1.0, number),
        "Mul": (number, 0.0),
        "Sub": (1.0, -number) if first else (-1.0, number),
        "Div": (1 / number if number else 0.0, 0.0),
    }[operator]
    return x._replace(number=reading.call(Rescaling(scale, offset), [x.number]))


def _with_bias(reading: Reading, operator: str, x: Live, value: NumpyArray) -> Live:
    """Add a vector to what a dense layer without a bias has just given: it becomes the layer's."""
    layer = reading.layers[-1] if reading.layers else None
    alone = operator == "Add" and isinstance(layer, Dense) and not layer.use_bias and x.number == reading.count - 1
    if not alone or value.size != x.features or reading.weights[-1][0] is not layer:
        raise Unfit("a vector is joined with what no dense layer gave")
    biased, weights = Dense(x.features), reading.weights[-1][1]
    reading.layers[-1] = biased
    reading.weights[-1] = biased, {**weights, "b": value.reshape(-1)}
    return x


def _computed(operator: str, a: NumpyArray, b: NumpyArray) -> NumpyArray:
    """Return what an operator makes of constants; of open sizes, nothing that is known."""
    if a.dtype == object or b.dtype == object:
        return np.full(np.broadcast_shapes(a.shape, b.shape), None, object)
    if operator == "Div":
        return np.asarray(a // b if a.dtype.kind in "iu" else a / b)
    return np.asarray({"Add": np.add, "Mul": np.multiply, "Sub": np.subtract}[operator](a, b))


@reads("Gather")
def _gather(reading: Reading, node: Node) -> Any:
    data, index, axis = node.input(0), node.input(1), node.attribute("axis", 0)
    if isinstance(data, Known) and isinstance(index, Known):
        found = np.take(data.array, index.array.astype(np.int64), axis=axis)
        return Known(np.asarray(found, data.array.dtype))
    if isinstance(data, Known) and isinstance(index, Live):
        if data.array.ndim != 2 or axis or "f" in index.axes:
            raise Unfit("it is no table of vectors")
        rows, units = data.array.shape
        number = reading.call(Embedding(rows, units), [index.number], w=data.array)
        return index._replace(number=number, axes=index.axes + "f", features=units)
    if isinstance(index, Order):
        return reordered(node, index)
    x, place = node.live(), np.asarray(node.known(1))
    if place.size != 1:
        raise Unfit("it takes several places")
    return _taken(reading, x, axis % len(x.axes), int(place.reshape(())), place.ndim == 0)


def _taken(reading: Reading, x: Live, axis: int, place: int, drops: bool) -> Live:
    """Return one place of an axis."""
    letter = x.axes[axis]
    rest = x.axes[:axis] + ("" if drops else "1") + x.axes[axis + 1 :]
    if letter == "t":
        return x._replace(number=reading.call(Select(place), [x.number]), axes=rest)
    if letter == "d":
        size = x.features // x.directions
        first = (place % x.directions) * size
        number = x.number
        if x.directions > 1:
            number = reading.call(Slice(first, first + size, axis=-1), [x.number])
        return x._replace(number=number, axes=rest, features=size, directions=1)
    if letter == "1":
        return x._replace(axes=rest)
    raise Unfit(f"it takes a place of {'rows' if letter == 'b' else 'features'}")


@reads("Concat")
def _concat(reading: Reading, node: Node) -> Any:
    if all(isinstance(one, Known) for one in node.inputs):
        arrays = [np.asarray(one.array) for one in node.inputs]
        kind = object if any(one.dtype == object for one in arrays) else arrays[0].dtype
        return Known(np.concatenate([one.astype(kind) for one in arrays], axis=node.attribute("axis", 0)))
    if any(isinstance(one, Zeros) for one in node.inputs):
        return Zeros()
    values = [node.live(place) for place in range(len(node.inputs))]
    first, axis = values[0], node.attribute("axis", 0) % len(values[0].axes)
    letter = first.axes[axis]
    if (
        letter not in "fd"
        or any((one.axes, one.ordered) != (first.axes, first.ordered) for one in values)
        or (letter == "f" and "d" in first.axes)
    ):
        raise Unfit("it joins another axis than the features")
    number = reading.call(Concat(), [one.number for one in values])
    count = sum(one.directions for one in values) if letter == "d" else 1
    return first._replace(number=number, features=sum(one.features for one in values), directions=count)


@reads("ReduceMean", "ReduceMax")
def _pooled(reading: Reading, node: Node) -> Live:
    x = node.live()
    axes = node.attribute("axes", None) if node.input(1) is None else node.known(1).tolist()
    if axes is None or len(axes) != 1 or x.axes[axes[0]] != "t" or "d" in x.axes:
        raise Unfit("it is not over the steps")
    layer = GlobalAveragePool1D() if node.operator == "ReduceMean" else GlobalMaxPool1D()
    letter = "1" if node.attribute("keepdims", 1) else ""
    return x._replace(number=reading.call(layer, [x.number]), axes=x.axes.replace("t", letter))


@reads("LayerNormalization")
def _layer_norm(reading: Reading, node: Node) -> Live:
    x = node.live()
    require_features_last(x)
    if node.attribute("axis", -1) % len(x.axes) != len(x.axes) - 1:
        raise Unfit("it is over another axis than the features")
    has_shift = node.input(2) is not None
    weights: dict[str, Any] = {"scale": node.known(1)} | ({"shift": node.known(2)} if has_shift else {})
    layer = LayerNorm(epsilon=node.attribute("epsilon", 1e-5), use_shift=has_shift)
    return x._replace(number=reading.call(layer, [x.number], **weights))


@reads("BatchNormalization")
def _batch_norm(reading: Reading, node: Node) -> Live:
    x = node.live()
    if x.axes not in ("bf", "bft"):
        raise Unfit("its features are not the second axis")
    names = ("scale", "shift", "running_mean", "running_variance")
    weights: dict[str, Any] = {name: node.known(place) for place, name in enumerate(names, 1)}
    layer = BatchNorm(epsilon=node.attribute("epsilon", 1e-5))
    return x._replace(number=reading.call(layer, [x.number], **weights))


@reads("Conv")
def _conv(reading: Reading, node: Node) -> Live:
    x, w = node.live(), node.known(1)
    if x.axes != "bft" or w.ndim != 3 or node.attribute("auto_pad", "NOTSET") != "NOTSET":
        raise Unfit("it is not along the steps")
    pads = node.attribute("pads", [0, 0])
    layer = Conv1D(
        w.shape[0],
        w.shape[2],
        stride=node.attribute("strides", [1])[0],
        padding=(int(pads[0]), int(pads[1])),
        dilation=node.attribute("dilations", [1])[0],
        groups=node.attribute("group", 1),
        use_bias=node.input(2) is not None,
    )
    weights: dict[str, Any] = {"w": w.transpose(2, 1, 0)} | ({"b": node.known(2)} if node.input(2) is not None else {})
    return x._replace(number=reading.call(layer, [x.number], **weights), features=w.shape[0])
