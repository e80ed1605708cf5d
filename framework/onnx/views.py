"""Nodes of other programs' files that compute nothing: constants, shapes, and axes that are moved about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.layers import Slice
from lamina.onnx.packages import onnx_package
from lamina.onnx.reading import Known, Lengths, Live, Node, NumpyArray, Order, Reading, Unfit, Zeros

__all__ = ["VIEWS"]

_MOST = 2**31


def _constant(reading: Reading, node: Node) -> Known:
    for name, value in node.attributes.items():
        if name == "value":
            return Known(onnx_package().numpy_helper.to_array(value))
        if name.startswith("value_") and "string" not in name:
            return Known(np.asarray(value))
    raise Unfit("it is no number")


def _same(reading: Reading, node: Node) -> Any:
    return node.input(0)


def _shape(reading: Reading, node: Node) -> Known:
    x = node.input(0)
    if isinstance(x, Known):
        sizes = np.asarray(x.array.shape, object)
    elif isinstance(x, (Lengths, Order)):
        sizes = np.asarray(["b"], object)
    else:
        x = node.live()
        each = {"f": x.features // x.directions if "d" in x.axes else x.features, "d": x.directions, "1": 1}
        sizes = np.asarray([each.get(letter, letter) for letter in x.axes], object)
    found = sizes[node.attribute("start", 0) : node.attribute("end", None)]
    return Known(_plain(found))


def _plain(sizes: NumpyArray) -> NumpyArray:
    """Return sizes as whole numbers where all are known."""
    return sizes.astype(np.int64) if all(isinstance(size, (int, np.integer)) for size in sizes.flat) else sizes


def _filled(reading: Reading, node: Node) -> Any:
    """Read what fills a shape with a number: it may be 0 alone."""
    if node.operator == "Expand" and isinstance(node.input(0), Zeros):
        return Zeros()
    value = node.known(0) if node.operator == "Expand" else np.zeros(1)
    if "value" in node.attributes:
        value = onnx_package().numpy_helper.to_array(node.attributes["value"])
    if np.any(value):
        raise Unfit("it is not of zeros")
    return Zeros()


def _transpose(reading: Reading, node: Node) -> Any:
    x = node.input(0)
    if isinstance(x, Known):
        return Known(np.transpose(x.array, node.attributes.get("perm")))
    x = node.live()
    order = node.attributes.get("perm") or range(len(x.axes))[::-1]
    return x._replace(axes="".join(x.axes[place] for place in order))


def _axes(node: Node) -> list[int] | None:
    if node.input(1) is not None:
        return [int(one) for one in node.known(1).reshape(-1)]
    return node.attributes.get("axes")


def _squeeze(reading: Reading, node: Node) -> Any:
    x, axes = node.input(0), _axes(node)
    if isinstance(x, (Zeros, Lengths)):
        return x
    if isinstance(x, Known):
        return Known(np.squeeze(x.array, None if axes is None else tuple(axes)))
    x = node.live()
    gone = {axis % len(x.axes) for axis in axes or [place for place, one in enumerate(x.axes) if one == "1"]}
    if any(not (x.axes[axis] == "1" or (x.axes[axis] == "d" and x.directions == 1)) for axis in gone):
        raise Unfit("an axis that it drops may have several places")
    return x._replace(axes="".join(one for place, one in enumerate(x.axes) if place not in gone))


def _unsqueeze(reading: Reading, node: Node) -> Any:
    x, axes = node.input(0), _axes(node)
    if isinstance(x, (Zeros, Lengths)) or axes is None:
        return x
    if isinstance(x, Known):
        return Known(np.expand_dims(x.array, tuple(axes)))
    x = node.live()
    letters, rank = list(x.axes), len(x.axes) + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        letters.insert(axis, "1")
    return x._replace(axes="".join(letters))


def _reshape(reading: Reading, node: Node) -> Any:
    """Read what puts directions and features together, or axes of one place in or out."""
    x, shape = node.input(0), node.known(1)
    if isinstance(x, Zeros):
        return x
    if isinstance(x, Known):
        return Known(x.array.reshape([x.array.shape[i] if size == 0 else int(size) for i, size in enumerate(shape)]))
    x = node.live()
    letters = x.axes.replace("1", "")
    joined = letters.replace("df", "f")
    for axes in (x.axes, joined, letters):
        if len(axes) != len(shape):
            continue
        total = x.features // x.directions if "d" in axes else x.features
        fits = [
            size in (None, 0, -1, letter) or (letter in "bt" and not isinstance(size, str))
            or size == {"f": total, "d": x.directions, "1": 1}.get(letter)
            for letter, size in zip(axes, shape.tolist(), strict=True)
        ]  # fmt: skip
        if all(fits):
            return x._replace(axes=axes, directions=x.directions if "d" in axes else 1)
    raise Unfit("it makes other axes than those of rows, steps and features")


def _slice(reading: Reading, node: Node) -> Any:
    x = node.input(0)
    if isinstance(x, Zeros):
        return x
    starts, stops = node.known(1).reshape(-1), node.known(2).reshape(-1)
    axes = [int(a) for a in node.known(3).reshape(-1)] if node.input(3) is not None else list(range(len(starts)))
    steps = [int(s) for s in node.known(4).reshape(-1)] if node.input(4) is not None else [1] * len(starts)
    if isinstance(x, Known):
        index: list[Any] = [slice(None)] * x.array.ndim
        for start, stop, axis, step in zip(starts, stops, axes, steps, strict=True):
            index[axis] = slice(int(start), None if abs(int(stop)) >= _MOST else int(stop), step)
        return Known(x.array[tuple(index)])
    x = node.live()
    if len(starts) != 1:
        raise Unfit("it cuts several axes")
    bounds = [None if abs(int(one)) >= _MOST else int(one) for one in (starts[0], stops[0])]
    return _cut(reading, x, axes[0] % len(x.axes), bounds, steps[0])


def _cut(reading: Reading, x: Live, axis: int, bounds: list[int | None], step: int) -> Live:
    letter, (start, stop) = x.axes[axis], bounds
    if letter == "t":
        return x._replace(number=reading.call(Slice(start, stop, step), [x.number]))
    if letter == "1" and len(range(*slice(start, stop, step).indices(1))) == 1:
        return x
    size = x.features // x.directions
    if letter == "d" and step == 1:
        first, last, _ = slice(start, stop).indices(x.directions)
        if (first, last) == (0, x.directions):
            return x
        number = reading.call(Slice(first * size, last * size, axis=-1), [x.number])
        return x._replace(number=number, features=(last - first) * size, directions=last - first)
    if letter == "f" and "d" not in x.axes:
        left = len(range(*slice(start, stop, step).indices(x.features)))
        return x._replace(number=reading.call(Slice(start, stop, step, axis=-1), [x.number]), features=left)
    raise Unfit("it cuts another axis than steps and features")


VIEWS: dict[str, Callable[[Reading, Node], Any]] = {
    "Constant": _constant,
    "Identity": _same,
    "Dropout": _same,
    "Cast": _same,
    "Shape": _shape,
    "ConstantOfShape": _filled,
    "Expand": _filled,
    "Transpose": _transpose,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Reshape": _reshape,
    "Slice": _slice,
}
