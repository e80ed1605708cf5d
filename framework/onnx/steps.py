"""What one step of each recurrence does, in operators that ONNX Runtime knows in single and in double precision."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamina.core.parameter import Parameter
from lamina.onnx.activations import activate, soft_plus
from lamina.onnx.graph import Graph
from lamina.onnx.normalization import normalized

__all__ = ["projected", "step_of"]


def projected(graph: Graph, layer: Any, x: Any) -> str:
    """Return what enters the steps of a recurrence, for all of them at once."""
    name = layer.kernel_name
    if name == "lru":
        return _lru_entering(graph, layer, x)
    if name.startswith("layer_norm"):
        return _normalized_entering(graph, layer, x)
    a = graph.dense(x, layer.w_x, layer.b)
    return _averaged(graph, layer, a) if name.startswith("min") else a


def step_of(layer: Any) -> Callable[..., Sequence[str]]:
    """Return what a layer, or a cell, does at a step: called with a graph, what enters, and the states before."""
    step = _STEPS[layer.kernel_name]
    return lambda graph, a, states: step(graph, layer, a, states)


def _simple_rnn(graph: Graph, layer: Any, a: str, states: Sequence[str]) -> tuple[str, ...]:
    total = graph.add("Add", a, graph.add("MatMul", states[0], graph.weight(layer.w_h)))
    return (activate(graph, layer.activation, total),)


def _ind_rnn(graph: Graph, layer: Any, a: str, states: Sequence[str]) -> tuple[str, ...]:
    total = graph.add("Add", a, graph.add("Mul", states[0], graph.weight(layer.w_h)))
    return (activate(graph, layer.activation, total),)


def _lstm(graph: Graph, layer: Any, a: str, states: Sequence[str]) -> tuple[str, ...]:
    total = graph.add("Add", a, graph.add("MatMul", states[0], graph.weight(layer.w_h)))
    o, cell = _cell(graph, layer.units, total, states[1])
    h = graph.add("Mul", o, graph.add("Tanh", cell))
    w_p = getattr(layer, "w_p", None)
    return (h if w_p is None else graph.add("MatMul", h, graph.weight(w_p))), cell


def _cell(graph: Graph, units: int, total: str, cell: str) -> tuple[str, str]:
    """Return the output gate and the cell after, of gates i, f, g, o side by side."""
    i, f, g, o = graph.halves(total, units, units, units, units)
    i, f, o = (graph.add("Sigmoid", gate) for gate in (i, f, o))
    kept = graph.add("Mul", f, cell)
    return o, graph.add("Add", kept, graph.add("Mul", i, graph.add("Tanh", g)))


def _gru(graph: Graph, layer: Any, a: str, states: Sequence[str]) -> tuple[str, ...]:
    units, (before,) = layer.units, states
    w_h = layer.w_h
    w_gates = _columns(graph, w_h, "gates", slice(None, 2 * units))
    w_new = _columns(graph, w_h, "new", slice(2 * units, None))
    gates, entering = graph.halves(a, 2 * units, units)
    gates = graph.add("Sigmoid", graph.add("Add", gates, graph.add("MatMul", before, w_gates)))
    r, z = graph.halves(gates, units, units)
    if layer.reset_after:
        inner = graph.add("MatMul", before, w_new)
        inner = inner if layer.b_h is None else graph.add("Add", inner, graph.weight(layer.b_h))
        inner = graph.add("Mul", r, inner)
    else:
        inner = graph.add("MatMul", graph.add("Mul", r, before), w_new)
    return (_updated(graph, z, graph.add("Tanh", graph.add("Add", entering, inner)), before),)


def _updated(graph: Graph, z: str, new: str, before: str) -> str:
    """Return (1 - z) new + z before."""
    return graph.add("Add", graph.add("Mul", graph.add("Sub", 1.0, z), new), graph.add("Mul", z, before))


def _columns(graph: Graph, parameter: Parameter, what: str, columns: slice) -> str:
    return graph.arranged(f"{parameter.name}.{what}", lambda values: values[..., columns], parameter)


def _averaged(graph: Graph, layer: Any, a: str) -> str:
    """Return the share that the state keeps at each step, and what is added to it, side by side."""
    units = layer.units
    if layer.kernel_name == "min_gru":
        z, candidate = graph.halves(a, units, units)
        keep = graph.chain(z, ("Neg",), ("Sigmoid",))
    else:
        i, f, candidate = graph.halves(a, units, units, units)
        i, f = (soft_plus(graph, graph.add("Neg", gate)) for gate in (i, f))
        keep = graph.add("Sigmoid", graph.add("Sub", i, f))
    return graph.add("Concat", keep, graph.add("Mul", graph.add("Sub", 1.0, keep), candidate), axis=-1)


def _average(graph: Graph, layer: Any, a: str, states: Sequence[str]) -> tuple[str, ...]:
    keep, added = graph.halves(a, layer.units, layer.units)
    return (graph.add("Add", graph.add("Mul", keep, states[0]), added),)


def _lru_entering(graph: Graph, layer: Any, x: Any) -> str:
    units = layer.units
    gain = graph.halves(graph.add("Exp", graph.weight(layer.eigenvalues)), *[units] * 3)[2]
    entering = graph.add("MatMul", x, graph.weight(layer.w_b))
    entering = graph.add("Mul", entering, graph.add("Concat", gain, gain, axis=0))
    return graph.add("Concat", entering, graph.add("MatMul", x, graph.weight(layer.w_d)), axis=-1)


def _lru(graph: Graph, layer: Any, a: str, states: Sequence[str]) -> tuple[str, ...]:
    units = layer.units
    n, p, _ = graph.halves(graph.add("Exp", graph.weight(layer.eigenvalues)), *[units] * 3)
    size = graph.chain(n, ("Neg",), ("Exp",))
    # The sine of what is a quarter turn on is the cosine, which ONNX Runtime has in single precision alone.
    real = graph.add("Mul", size, graph.add("Sin", graph.add("Add", p, np.pi / 2)))
    imaginary = graph.add("Mul", size, graph.add("Sin", p))
    re, im = graph.halves(states[1], units, units)
    turned = (
        graph.add("Sub", graph.add("Mul", real, re), graph.add("Mul", imaginary, im)),
        graph.add("Add", graph.add("Mul", imaginary, re), graph.add("Mul", real, im)),
    )
    entering, past = graph.halves(a, 2 * units, units)
    state = graph.add("Add", graph.add("Concat", *turned, axis=-1), entering)
    return graph.add("Add", graph.add("MatMul", state, graph.weight(layer.w_c)), past), state


def _slstm(graph: Graph, layer: Any, a: str, states: Sequence[str]) -> tuple[str, ...]:
    before, cell, normalizer, scale = states
    total = graph.add("Add", a, graph.add("MatMul", before, graph.weight(layer.w_h)))
    i, f, z, o = graph.halves(total, *[layer.units] * 4)
    if layer.forget == "sigmoid":
        f = graph.chain(soft_plus(graph, graph.add("Neg", f)), ("Neg",))
    carried = graph.add("Add", f, scale)
    begun = graph.chain(graph.add("Equal", normalizer, 0.0), ("Not",))
    through = graph.add("And", graph.add("Greater", carried, i), begun)
    scale = graph.add("Where", through, carried, i)
    f = graph.chain(graph.add("Sub", carried, scale), ("Min", 80.0), ("Exp",))
    i = graph.add("Exp", graph.add("Sub", i, scale))
    cell = graph.add("Add", graph.add("Mul", f, cell), graph.add("Mul", i, graph.add("Tanh", z)))
    normalizer = graph.add("Add", graph.add("Mul", f, normalizer), i)
    h = graph.add("Mul", graph.add("Sigmoid", o), graph.add("Div", cell, normalizer))
    return h, cell, normalizer, scale


def _normalized_entering(graph: Graph, layer: Any, x: Any) -> str:
    a = graph.add("MatMul", x, graph.weight(layer.w_x))
    if layer.kernel_name == "layer_norm_lstm":
        shift = None if layer.b is None else graph.weight(layer.b)
        return normalized(graph, a, graph.weight(layer.scale_x), shift, layer.epsilon, 4 * layer.units)
    a = graph.add("Concat", *_both(graph, layer, a, layer.scale_x), axis=-1)
    return a if layer.b is None else graph.add("Add", a, graph.weight(layer.b))


def _both(graph: Graph, layer: Any, sums: str, scale: Parameter) -> tuple[str, str]:
    """Return the two gates' sums and the candidate's, each normalized by itself."""
    units = layer.units
    names = (
        _columns(graph, scale, "gates", slice(None, 2 * units)),
        _columns(graph, scale, "new", slice(2 * units, None)),
    )
    a, b = graph.halves(sums, 2 * units, units)
    first = normalized(graph, a, names[0], None, layer.epsilon, 2 * units)
    return first, normalized(graph, b, names[1], None, layer.epsilon, units)


def _layer_norm_gru(graph: Graph, layer: Any, a: str, states: Sequence[str]) -> tuple[str, ...]:
    units, (before,) = layer.units, states
    gates, inner = _both(graph, layer, graph.add("MatMul", before, graph.weight(layer.w_h)), layer.scale_h)
    own, entering = graph.halves(a, 2 * units, units)
    r, z = graph.halves(graph.add("Sigmoid", graph.add("Add", own, gates)), units, units)
    inner = inner if layer.b_h is None else graph.add("Add", inner, graph.weight(layer.b_h))
    new = graph.add("Tanh", graph.add("Add", entering, graph.add("Mul", r, inner)))
    return (_updated(graph, z, new, before),)


def _layer_norm_lstm(graph: Graph, layer: Any, a: str, states: Sequence[str]) -> tuple[str, ...]:
    units = layer.units
    sums = graph.add("MatMul", states[0], graph.weight(layer.w_h))
    sums = normalized(graph, sums, graph.weight(layer.scale_h), None, layer.epsilon, 4 * units)
    o, cell = _cell(graph, units, graph.add("Add", a, sums), states[1])
    scale, shift = graph.weight(layer.scale_c), graph.weight(layer.shift_c)
    squashed = graph.add("Tanh", normalized(graph, cell, scale, shift, layer.epsilon, units))
    return graph.add("Mul", o, squashed), cell


_STEPS: dict[str, Callable[..., Sequence[str]]] = {
    "simple_rnn": _simple_rnn,
    "lstm": _lstm,
    "gru": _gru,
    "ind_rnn": _ind_rnn,
    "min_gru": _average,
    "min_lstm": _average,
    "lru": _lru,
    "slstm": _slstm,
    "layer_norm_gru": _layer_norm_gru,
    "layer_norm_lstm": _layer_norm_lstm,
}
