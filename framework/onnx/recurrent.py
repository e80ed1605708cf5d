"""Recurrent layers: ONNX's own RNN, GRU and LSTM in single precision, loops of simpler operators otherwise.

ONNX Runtime has its three recurrences in single precision alone, and refuses ``layout=1``: steps stand before rows in
them, and what is around transposes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.core.parameter import Parameter
from lamina.core.shapes import as_tuple
from lamina.kinds.cell import Recurrent, own_output
from lamina.layers import (
    GRU,
    LRU,
    LSTM,
    SLSTM,
    GRUCell,
    IndRNN,
    LayerNormGRU,
    LayerNormLSTM,
    LSTMCell,
    MinGRU,
    MinLSTM,
    SimpleRNN,
    SimpleRNNCell,
    StackedCells,
)
from lamina.onnx.graph import Body, Graph, Tensor
from lamina.onnx.scan import scan
from lamina.onnx.steps import projected, step_of
from lamina.onnx.translation import call, translates

__all__ = ["ONNX_GATES", "recurrence"]

NumpyArray = np.ndarray[Any, Any]

#: Where ONNX's gates stand among ours: z, r, h among a GRU's r, z, n, and i, o, f, c among an LSTM's i, f, g, o.
ONNX_GATES = {"simple_rnn": (0,), "gru": (1, 0, 2), "lstm": (0, 3, 1, 2)}
_OPERATORS = {"simple_rnn": "RNN", "gru": "GRU", "lstm": "LSTM"}


def recurrence(graph: Graph, layer: Any, states: Sequence[str], x: Tensor, *initial: Tensor) -> tuple[Any, Any]:
    """Say a recurrence, from initial states if there are any."""
    before: Sequence[Any] = states or [one.name for one in initial]
    native = graph.dtype == "float32" and layer.kernel_name in _OPERATORS and getattr(layer, "w_p", None) is None
    h, last = _native(graph, layer, x, before) if native else _looped(graph, layer, x, before)
    return _outputs(layer, h, last), last


for _cls in (SimpleRNN, GRU, LSTM, MinGRU, MinLSTM, IndRNN, LRU, SLSTM, LayerNormGRU, LayerNormLSTM):
    translates(_cls, streams=True)(recurrence)


def _outputs(layer: Any, h: str, last: tuple[str, ...]) -> Any:
    y = h if layer.return_sequences else last[0]
    return (y, *last) if layer.return_state else y


def _looped(graph: Graph, layer: Any, x: Tensor, before: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    batch = graph.size(x, 0)
    start = before or [graph.zeros(batch, size) for size in layer.state_sizes]
    return scan(graph, projected(graph, layer, x), start, step_of(layer), x.lengths, reverse=layer.go_backwards)


def _native(graph: Graph, layer: Any, x: Tensor, before: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    kind, units, path = layer.kernel_name, layer.units, f"{layer.path}." if layer.path else ""
    order = ONNX_GATES[kind]
    options: dict[str, Any] = {}
    if kind == "simple_rnn":
        options["activations"] = [layer.activation.capitalize()]
    if kind == "gru":
        options["linear_before_reset"] = int(layer.reset_after)

    def gates(values: NumpyArray) -> NumpyArray:
        return values.reshape(*values.shape[:-1], len(order), units)[..., order, :].reshape(values.shape)

    def weights(values: NumpyArray) -> NumpyArray:
        return np.ascontiguousarray(gates(values).T)[None]

    def biases(b: NumpyArray, b_h: NumpyArray | None) -> NumpyArray:
        inner = np.zeros_like(b)
        if b_h is not None:
            inner[-units:] = b_h  # the last gate of ONNX's is the candidate, which has a bias inside the reset
        return np.concatenate([gates(b), inner])[None]

    b_h: Parameter | None = getattr(layer, "b_h", None)
    bias = None if layer.b is None else graph.arranged(f"{path}B", biases, layer.b, b_h)
    lengths = None if x.lengths is None else graph.cast(x.lengths, "int32")
    outputs = graph.add_several(
        _OPERATORS[kind],
        3 if kind == "lstm" else 2,
        graph.add("Transpose", x, perm=[1, 0, 2]),
        graph.arranged(f"{path}W", weights, layer.w_x),
        graph.arranged(f"{path}R", weights, layer.w_h),
        bias,
        lengths,
        *[graph.add("Unsqueeze", one, [0]) for one in before],
        hidden_size=units,
        direction="reverse" if layer.go_backwards else "forward",
        **options,
    )
    h = graph.add("Transpose", graph.add("Squeeze", outputs[0], [1]), perm=[1, 0, 2])
    last = [graph.add("Squeeze", one, [0]) for one in outputs[1:]]
    if x.lengths is not None:  # of a row without steps ONNX Runtime gives 0 as the last state, or anything at all
        none = graph.add("Equal", graph.column(x.lengths), 0)
        first: Sequence[Any] = before or [0.0] * len(last)
        last = [graph.add("Where", none, old, new) for old, new in zip(first, last, strict=True)]
    return h, tuple(last)


def _cell(graph: Graph, layer: Any, x: Tensor, *states: Tensor) -> Any:
    return tuple(step_of(layer)(graph, graph.dense(x, layer.w_x, layer.b), [one.name for one in states]))


for _cell_cls in (SimpleRNNCell, GRUCell, LSTMCell):
    translates(_cell_cls)(_cell)


@translates(StackedCells)
def _stacked(graph: Graph, layer: StackedCells, x: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
    after: list[Tensor] = []
    for one, own in layer._with_states(states):
        given = as_cells(call(graph, one, x, *own))
        x = given[0]
        after += given[len(given) - len(own) :] if own else ()
    return (x, *after)


@translates(Recurrent, streams=True)
def _cells(graph: Graph, layer: Recurrent, states: Sequence[str], x: Tensor, *initial: Tensor) -> tuple[Any, Any]:
    """Say a cell at each step. One that puts out something else than its first state has that before its states."""
    own, sizes = own_output(layer.cell), layer.state_sizes
    batch = graph.size(x, 0)
    start = list(states or [one.name for one in initial])
    missing = [*own, *sizes]
    missing = missing[: len(missing) - len(start)]
    start = [*[graph.zeros(batch, size) for size in missing], *start]

    def step(body: Body, entering: str, before: Sequence[str]) -> list[str]:
        given = [Tensor(name, (None, size)) for name, size in zip(before[len(own) :], sizes, strict=True)]
        return [one.name for one in as_cells(call(body, layer.cell, Tensor(entering, (None, x.shape[-1])), *given))]

    h, last = scan(graph, x, start, step, x.lengths, reverse=layer.go_backwards)
    y = h if layer.return_sequences else last[0]
    return ((y, *last[len(own) :]) if layer.return_state else y), last


def as_cells(given: Any) -> tuple[Tensor, ...]:
    """Return what a cell gives as a tuple of tensors."""
    return (given,) if isinstance(given, Tensor) else as_tuple(given)
