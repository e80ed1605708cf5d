"""ONNX's own recurrences as our layers: gates in another order, and two biases that become one."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.compose.bidirectional import Bidirectional
from lamina.compose.concat import Concat
from lamina.layers import GRU, LSTM, SimpleRNN, Slice
from lamina.onnx.reading import Lengths, Live, Node, NumpyArray, Reading, Unfit, Zeros
from lamina.onnx.recurrent import ONNX_GATES

__all__ = ["read_recurrence"]

_KINDS: dict[str, tuple[str, Any]] = {"RNN": ("simple_rnn", SimpleRNN), "GRU": ("gru", GRU), "LSTM": ("lstm", LSTM)}
_USUAL = {"RNN": ["Tanh"], "GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}


def read_recurrence(reading: Reading, node: Node) -> list[Any]:
    """Return Y, Y_h and Y_c of a node; None where nothing takes one."""
    x, (kind, cls) = node.live(), _KINDS[node.operator]
    direction = node.attribute("direction", "forward")
    count = 2 if direction == "bidirectional" else 1
    options = _options(node, count)
    if x.axes != "tbf":
        raise Unfit("its input is not (steps, rows, features)")
    units = int(node.attribute("hidden_size", 0)) or node.known(2).shape[2]
    used = [bool(name) and bool(reading.uses(name)) for name in node.proto.output] + [False] * 3
    settings = {"return_sequences": True, "return_state": used[1] or used[2], **options}
    layer = cls(units, go_backwards=direction == "reverse", **settings)
    states = _initial(reading, node, count, units)
    names = [""]
    if count == 2:
        layer, names = Bidirectional(layer), ["layer__", "twin__"]
    weights: dict[str, NumpyArray] = {}
    for place, name in enumerate(names):
        own = _weights(node, kind, place, units, options.get("reset_after", True))
        weights |= {f"{name}{key}": array for key, array in own.items()}
    parts = 2 if kind == "lstm" else 1
    number = reading.call(layer, [x.number, *states], 1 + parts * count * settings["return_state"], **weights)
    y = x._replace(number=number, axes="tdbf", features=units * count, directions=count)
    if not settings["return_state"]:
        return [y, None, None]
    found: list[Any] = [y]
    for part in range(parts):
        numbers = [number + 1 + part + parts * place for place in range(count)]
        if used[1 + part]:
            last = numbers[0] if count == 1 else reading.call(Concat(), numbers)
            found.append(y._replace(number=last, axes="dbf"))
        else:
            found.append(None)
    return found


def _options(node: Node, count: int) -> dict[str, Any]:
    """Return what a layer is told of a node's attributes, or raise `Unfit` where it has none for them."""
    usual = _USUAL[node.operator]
    given = [one.decode() for one in node.attributes.get("activations", [])] or usual * count
    if node.attribute("layout", 0) or node.attribute("clip", 0.0) or node.attribute("input_forget", 0):
        raise Unfit("it has a layout, clip or input_forget that no layer has")
    if node.operator == "LSTM" and node.input(7) is not None:
        raise Unfit("it has peepholes")
    lengths = node.input(4)
    if lengths is not None and not (isinstance(lengths, Lengths) and lengths.ordered == node.live().ordered):
        raise Unfit("its lengths are no input, or of rows in another order")
    if node.operator == "RNN" and len(set(given)) == 1 and given[0] in ("Tanh", "Relu"):
        return {"activation": given[0].lower()}
    if [one.lower() for one in given] != [one.lower() for one in usual * count]:
        raise Unfit(f"it has the activations {', '.join(given)}")
    return {"reset_after": bool(node.attribute("linear_before_reset", 0))} if node.operator == "GRU" else {}


def _initial(reading: Reading, node: Node, count: int, units: int) -> list[int]:
    """Return the numbers of the initial states, as a layer takes them: all of a direction, then of the other."""
    given = [node.input(place) for place in ((5, 6) if node.operator == "LSTM" else (5,))]
    if all(one is None or isinstance(one, Zeros) for one in given):
        return []
    each = []
    for one in given:
        if not isinstance(one, Live) or one.axes not in ("dbf", "1bf") or one.features != units * count:
            raise Unfit("its initial states are not (directions, rows, units)")
        parts = [one.number]
        if count == 2:
            parts = [reading.call(Slice(start, start + units, axis=-1), [one.number]) for start in (0, units)]
        each.append(parts)
    return [parts[place] for place in range(count) for parts in each]


def _weights(node: Node, kind: str, place: int, units: int, reset_after: bool) -> dict[str, NumpyArray]:
    """Return the parameters of a layer, from W, R and B of a direction."""
    order = np.argsort(ONNX_GATES[kind])  # where ours stand among ONNX's

    def ours(values: NumpyArray) -> NumpyArray:
        return values.reshape(len(order), units, *values.shape[1:])[order].reshape(values.shape)

    w, r = (np.asarray(node.known(at))[place] for at in (1, 2))
    found = {"w_x": ours(w).T, "w_h": ours(r).T}
    both = np.zeros((2, len(order) * units), w.dtype)
    if node.input(3) is not None:
        both = np.asarray(node.known(3))[place].reshape(2, -1)
    outer, inner = ours(both[0]), ours(both[1])
    if kind == "gru" and reset_after:
        found["b_h"] = inner[2 * units :]
        inner = np.concatenate([inner[: 2 * units], np.zeros(units, inner.dtype)])
    return {**found, "b": outer + inner}
