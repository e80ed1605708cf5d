"""PyTorch's packed sequences: rows are put in the order of their lengths, and back, which says nothing to a layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.onnx.reading import Known, Lengths, Live, Node, Order, Reading, Rows, Unfit, Zeros

__all__ = ["PACKED", "reordered"]


def reordered(node: Node, order: Order) -> Any:
    """Return rows, or their lengths, in an order, or in that in which they came."""
    x = node.input(0)
    if not isinstance(x, (Live, Lengths)) or x.ordered is not order.inverse:
        raise Unfit("it puts rows in an order that is not known")
    if isinstance(x, Live) and x.axes[node.attribute("axis", 0)] != "b":
        raise Unfit("it is not along the rows")
    return x._replace(ordered=not x.ordered)


def _top(reading: Reading, node: Node) -> list[Any]:
    if node.input(0) != Lengths() or not node.attribute("largest", 1):
        raise Unfit("it is not of lengths")
    return [Lengths(ordered=True), Order()]


def _range(reading: Reading, node: Node) -> Any:
    start, stop, step = (node.known(place) for place in range(3))
    if stop.dtype != object:
        return Known(np.arange(start.item(), stop.item(), step.item()))
    if stop.item() != "b" or start.item() != 0 or step.item() != 1:
        raise Unfit("it counts something else than rows")
    return Rows()


def _product(reading: Reading, node: Node) -> Known:
    sizes = node.known(0)
    if sizes.size != 1:
        raise Unfit("it is of several sizes")
    return Known(sizes.reshape(()))


def _scattered(reading: Reading, node: Node) -> Order:
    if [type(node.input(place)) for place in range(3)] != [Zeros, Order, Rows] or node.input(1).inverse:
        raise Unfit("it does not undo an order of rows")
    return Order(inverse=True)


PACKED: dict[str, Callable[[Reading, Node], Any]] = {
    "TopK": _top,
    "Range": _range,
    "ReduceProd": _product,
    "ScatterElements": _scattered,
}
