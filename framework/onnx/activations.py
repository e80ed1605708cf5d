"""Activations, element by element or over an axis.

ONNX Runtime knows many of ONNX's own activations in single precision alone: in double precision, and where ONNX has
none, they are put together from operators that it knows in both.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from lamina.backends.generic.activations import LARGEST, TAIL
from lamina.core.layer import Layer
from lamina.kinds.axis_activation import AxisActivation
from lamina.layers import (
    CELU,
    ELU,
    GELU,
    GLU,
    SELU,
    HardSigmoid,
    HardSwish,
    LeakyReLU,
    LogSoftmax,
    Mish,
    PReLU,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
)
from lamina.onnx.graph import Graph, Tensor
from lamina.onnx.translation import translates

__all__ = ["activate", "soft_plus"]


def _plain(operator: str) -> Callable[..., Any]:
    def say(graph: Graph, layer: Layer, x: Tensor) -> str:
        return graph.add(operator, x)

    return say


for _cls, _operator in ((ReLU, "Relu"), (Sigmoid, "Sigmoid"), (Tanh, "Tanh")):
    translates(_cls)(_plain(_operator))


def soft_plus(graph: Graph, x: Any) -> str:
    """Return log(1 + exp(x)), which does not overflow."""
    if graph.dtype == "float32":
        return graph.add("Softplus", x)
    tail = graph.chain(x, ("Abs",), ("Neg",), ("Exp",), ("Add", 1.0), ("Log",))
    return graph.add("Add", graph.add("Max", x, 0.0), tail)


def _below(graph: Graph, x: Any, alpha: float) -> str:
    """Return alpha (exp(x) - 1) of what is negative in x, and 0 elsewhere."""
    return graph.chain(x, ("Min", 0.0), ("Exp",), ("Sub", 1.0), ("Mul", alpha))


def _slanted(graph: Graph, x: Any, slope: Any) -> str:
    """Return x where it is positive, and x times a slope elsewhere."""
    return graph.add("Add", graph.add("Relu", x), graph.add("Mul", graph.add("Min", x, 0.0), slope))


def gelu(graph: Graph, x: Any, approximate: str = "none") -> str:
    """Return x times the share of a normal distribution below x."""
    if graph.dtype == "float32":
        return graph.add("Gelu", x, approximate=approximate)
    c = graph.add("Clip", x, -LARGEST, LARGEST)
    if approximate == "tanh":
        cube = graph.add("Mul", graph.add("Mul", c, c), graph.add("Mul", c, 0.044715))
        inner = graph.add("Add", c, cube)
        below = graph.chain(inner, ("Mul", math.sqrt(2 / math.pi)), ("Tanh",), ("Mul", 0.5), ("Add", 0.5))
    else:
        # ONNX Runtime has no error function in double precision: the backends' own series.
        density = graph.chain(graph.add("Mul", c, c), ("Mul", -0.5), ("Exp",))
        t = graph.chain(c, ("Abs",), ("Add", 4.0), ("Reciprocal",))
        s = graph.chain(t, ("Mul", -8.0), ("Add", 1.0))
        polynomial = graph.chain(s, ("Mul", TAIL[-1]), ("Add", TAIL[-2]))
        for coefficient in TAIL[-3::-1]:
            polynomial = graph.chain(polynomial, ("Mul", s), ("Add", coefficient))
        tail = graph.add("Mul", graph.add("Mul", density, t), polynomial)
        rest = graph.add("Sub", 1.0, tail)
        below = graph.add("Where", graph.add("Greater", c, 0.0), rest, tail)
    return graph.add("Mul", graph.add("Max", x, -LARGEST), below)


def activate(graph: Graph, name: str, x: Any) -> str:
    """Return what an activation of a gate gives, by its name."""
    if name == "linear":
        return graph.name_of(x)
    if name == "gelu":
        return gelu(graph, x)
    if name == "silu" and graph.dtype == "float32":
        return graph.add("Mul", x, graph.add("Sigmoid", x))
    if name == "silu":  # of a sigmoid some versions of ONNX Runtime make what they have in single precision alone
        return graph.add("Div", x, graph.chain(x, ("Neg",), ("Exp",), ("Add", 1.0)))
    return graph.add(name.capitalize(), x)


@translates(GELU)
def _gelu(graph: Graph, layer: GELU, x: Tensor) -> str:
    return gelu(graph, x, layer.approximate)


@translates(SiLU)
def _silu(graph: Graph, layer: SiLU, x: Tensor) -> str:
    return activate(graph, "silu", x)


@translates(GLU)
def _glu(graph: Graph, layer: GLU, x: Tensor) -> str:
    half = (x.shape[-1] or 0) // 2
    a, b = graph.halves(x, half, half)
    return graph.add("Mul", a, activate(graph, layer.activation, b))


@translates(Softplus)
def _softplus(graph: Graph, layer: Softplus, x: Tensor) -> str:
    if layer.beta == 1:
        return soft_plus(graph, x)
    return graph.add("Div", soft_plus(graph, graph.add("Mul", x, layer.beta)), layer.beta)


@translates(Softsign)
def _softsign(graph: Graph, layer: Softsign, x: Tensor) -> str:
    return graph.add("Div", x, graph.chain(x, ("Abs",), ("Add", 1.0)))


@translates(ELU)
def _elu(graph: Graph, layer: ELU, x: Tensor) -> str:
    if graph.dtype == "float32":
        return graph.add("Elu", x, alpha=layer.alpha)
    return graph.add("Add", graph.add("Relu", x), _below(graph, x, layer.alpha))


@translates(SELU)
def _selu(graph: Graph, layer: SELU, x: Tensor) -> str:
    options = layer.kernel_options()
    if graph.dtype == "float32":
        return graph.add("Selu", x, alpha=options["alpha"], gamma=options["scale"])
    y = graph.add("Add", graph.add("Relu", x), _below(graph, x, options["alpha"]))
    return graph.add("Mul", y, options["scale"])


@translates(CELU)
def _celu(graph: Graph, layer: CELU, x: Tensor) -> str:
    return graph.add("Add", graph.add("Relu", x), _below(graph, graph.add("Div", x, layer.alpha), layer.alpha))


@translates(LeakyReLU)
def _leaky_relu(graph: Graph, layer: LeakyReLU, x: Tensor) -> str:
    if graph.dtype == "float32":
        return graph.add("LeakyRelu", x, alpha=layer.slope)
    return _slanted(graph, x, layer.slope)


@translates(PReLU)
def _prelu(graph: Graph, layer: PReLU, x: Tensor) -> str:
    if graph.dtype == "float32":
        return graph.add("PRelu", x, graph.weight(layer.slope))
    return _slanted(graph, x, graph.weight(layer.slope))


@translates(ReLU6)
def _relu6(graph: Graph, layer: ReLU6, x: Tensor) -> str:
    return graph.add("Clip", x, 0.0, 6.0)


@translates(HardSigmoid)
def _hard_sigmoid(graph: Graph, layer: HardSigmoid, x: Tensor) -> str:
    return graph.chain(x, ("Mul", layer.slope), ("Add", layer.offset), ("Clip", 0.0, 1.0))


@translates(HardSwish)
def _hard_swish(graph: Graph, layer: HardSwish, x: Tensor) -> str:
    return graph.add("Mul", x, graph.chain(x, ("Div", 6.0), ("Add", 0.5), ("Clip", 0.0, 1.0)))


@translates(Mish)
def _mish(graph: Graph, layer: Mish, x: Tensor) -> str:
    return graph.add("Mul", x, graph.add("Tanh", soft_plus(graph, x)))


@translates(Softmax)
def _softmax(graph: Graph, layer: Softmax, x: Tensor) -> str:
    return _over_axis(graph, layer, x, "Softmax")


@translates(LogSoftmax)
def _log_softmax(graph: Graph, layer: LogSoftmax, x: Tensor) -> str:
    return _over_axis(graph, layer, x, "LogSoftmax")


def _over_axis(graph: Graph, layer: AxisActivation, x: Tensor, operator: str) -> str:
    axis = layer.axes_of(x.shape)[0]
    if layer.axis == -1 or x.lengths is None:
        return graph.add(operator, x, axis=axis)
    if axis != 1:
        return graph.fill_past(graph.add(operator, x, axis=axis), x.rank, x.lengths)
    # Over the steps: those past a row's end have no share. A finite number, as a row without steps has no other.
    y = graph.add(operator, graph.fill_past(x, x.rank, x.lengths, -1e30), axis=axis)
    return graph.fill_past(y, x.rank, x.lengths)
