"""ONNX Runtime, which runs models and does not train them."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from benchmarks.cpu.prepared import Prepared
from benchmarks.cpu.work import CLASSES, Inference, Weights

__all__ = ["inference", "start"]

_OPERATORS = {"SimpleRNN": "RNN", "GRU": "GRU", "LSTM": "LSTM"}
# Where each of ONNX's gates stands among ours: z, r, h of r, z, n, and i, o, f, c of i, f, g, o.
_GATES = {"SimpleRNN": (0,), "GRU": (1, 0, 2), "LSTM": (0, 3, 1, 2)}
_threads = 1


def start(threads: int) -> None:
    """Keep the number of threads, which each session is told."""
    global _threads
    _threads = threads


def _ordered(kind: str, array: np.ndarray) -> np.ndarray:
    """Return (1, ...), the direction first, with the gates in ONNX's order along the second axis."""
    gates = np.split(array.T, len(_GATES[kind]))
    return np.concatenate([gates[place] for place in _GATES[kind]])[None]


def _model(kind: str, features: int, units: int, weights: Weights) -> bytes:
    """Return a model from x (time, 1, features) and the states before to the logits and the states after."""
    inside = np.zeros_like(weights["0.b"])
    if kind == "GRU":
        inside[-units:] = weights["0.b_h"]
    constants = {
        "w": _ordered(kind, weights["0.w_x"]),
        "r": _ordered(kind, weights["0.w_h"]),
        "b": np.concatenate([_ordered(kind, weights["0.b"]), _ordered(kind, inside)], axis=1),
        "head_w": weights["1.w"],
        "head_b": weights["1.b"],
        "direction": np.array([0]),
    }
    states = ["h", "c"][: 2 if kind == "LSTM" else 1]
    options = {"linear_before_reset": 1} if kind == "GRU" else {}
    nodes = [
        helper.make_node(
            _OPERATORS[kind],
            ["x", "w", "r", "b", "", *states],
            ["", *(f"{name}_after" for name in states)],
            hidden_size=units,
            **options,
        ),
        helper.make_node("Squeeze", ["h_after", "direction"], ["last"]),
        helper.make_node("Gemm", ["last", "head_w", "head_b"], ["logits"]),
    ]

    def values(names: list[str], shape: list[Any]) -> list[Any]:
        return [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in names]

    graph = helper.make_graph(
        nodes,
        "classifier",
        values(["x"], ["time", 1, features]) + values(states, [1, 1, units]),
        values(["logits"], [1, CLASSES]) + values([f"{name}_after" for name in states], [1, 1, units]),
        [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in constants.items()],
    )
    # The newest of both that ONNX Runtime takes.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    return model.SerializeToString()


def inference(work: Inference) -> Prepared:
    """Return a session's run, on NumPy's arrays."""
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads, settings.inter_op_num_threads = _threads, 1
    model = _model(work.kind, work.features, work.units, work.weights())
    session = onnxruntime.InferenceSession(model, settings, providers=["CPUExecutionProvider"])
    x = np.ascontiguousarray(work.data().transpose(1, 0, 2))
    names = [given.name for given in session.get_inputs()][1:]
    zeros = {name: np.zeros((1, 1, work.units), np.float32) for name in names}

    def read(x: np.ndarray, states: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        logits, *after = session.run(None, {"x": x, **states})
        return logits, dict(zip(names, after, strict=True))

    if work.time > 1:
        return Prepared(lambda: session.run(["logits"], {"x": x, **zeros}), lambda: {"logits": read(x, zeros)[0]})
    first, kept = x[:1], zeros

    def step() -> None:
        nonlocal kept
        _, kept = read(first, kept)

    def results() -> dict[str, Any]:
        found, own = {}, zeros
        for t in range(len(x)):
            found[f"logits {t}"], own = read(x[t : t + 1], own)
        return found

    return Prepared(step, results)
