"""ONNX's elementwise operators, said with Lamina."""

from math import erf, pi, sqrt

import numpy as np

from lamina import layers
from tests.parity.onnx_said import Unsaid, compose, run, says


def _one(make):
    """Return a function that says a case by a layer, for which numbers stand in one row."""

    def say(x, *_, case):
        return [run(make(case), x[None])[0]]

    return say


for _operator, _make in {
    "Celu": lambda case: layers.CELU(case.get("alpha", 1.0)),
    "Elu": lambda case: layers.ELU(case.get("alpha", 1.0)),
    "Gelu": lambda case: layers.GELU(case.get("approximate", "none")),
    "HardSigmoid": lambda case: layers.HardSigmoid(case.get("alpha", 0.2), case.get("beta", 0.5)),
    "HardSwish": lambda case: layers.HardSwish(),
    "Identity": lambda case: layers.Rescaling(),
    "LeakyRelu": lambda case: layers.LeakyReLU(case.get("alpha", 0.01)),
    "LogSoftmax": lambda case: layers.LogSoftmax(_after_batch(case)),
    "Mish": lambda case: layers.Mish(),
    "Neg": lambda case: layers.Rescaling(-1.0),
    "Reciprocal": lambda case: layers.Power(-1.0),
    "Relu": lambda case: layers.ReLU(),
    "Sigmoid": lambda case: layers.Sigmoid(),
    "Softmax": lambda case: layers.Softmax(_after_batch(case)),
    "Softplus": lambda case: layers.Softplus(),
    "Softsign": lambda case: layers.Softsign(),
    "Sqrt": lambda case: layers.Power(0.5),
    "Tanh": lambda case: layers.Tanh(),
}.items():
    says(_operator)(_one(_make))


def _after_batch(case):
    axis = case.get("axis", -1)
    return axis + 1 if axis >= 0 else axis


@says("Selu")
def _selu(x, *, case):
    if "alpha" in case.attributes:  # others than the paper's: scale ELU(x)
        return [compose(lambda t, own, v: t(own.elu, v) * case["gamma"], x[None], elu=layers.ELU(case["alpha"]))[0]]
    return [run(layers.SELU(), x[None])[0]]


@says("Swish")
def _swish(x, *, case):
    alpha = case.get("alpha", 1.0)
    return [compose(lambda t, own, v: v * t(own.sigmoid, v * alpha), x[None], sigmoid=layers.Sigmoid())[0]]


@says("SwiGLU")
def _swiglu(a, b, *, case):
    alpha = case.get("alpha", 1.0)
    if alpha == 1:  # GLU gates its first half by its second
        return [run(layers.GLU("silu"), np.concatenate([b, a], axis=-1))]
    return [compose(lambda t, own, a, b: a * t(own.gate, a * alpha) * b, a, b, gate=layers.Sigmoid())]


@says("Abs")
def _abs(x, *, case):
    return [compose(lambda t, own, v: t(own.relu, v) + t(own.relu, -v), x[None], relu=layers.ReLU())[0]]


@says("PRelu")
def _prelu(x, slope, *, case):
    slope = np.broadcast_to(slope, x.shape).reshape(-1)
    return [run(layers.PReLU(), x.reshape(1, -1), weights={"slope": slope}).reshape(x.shape)]


@says("Clip")
def _clip(x, low=None, high=None, *, case):
    if low is not None and high is not None and low > high:
        raise Unsaid("a lower bound above the upper one")

    def clipped(t, own, v):
        v = v if low is None else t(own.relu, v - float(low)) + float(low)
        return v * 1 if high is None else float(high) - t(own.relu, float(high) - v)

    return [compose(clipped, x[None], relu=layers.ReLU())[0]]


def _together(x, *others):
    """Return arrays as rows that Lamina takes together: of one shape, or features beside every step."""
    shape = max((x, *others), key=lambda one: one.ndim).shape
    alike = all(one.shape == shape for one in (x, *others))
    if not alike and any(one.shape not in (shape, shape[len(shape) - one.ndim :]) for one in (x, *others)):
        raise Unsaid("broadcast along other axes than steps and features")
    if alike:
        return [one.reshape(1, -1) for one in (x, *others)], shape
    tail = int(np.prod(min((x, *others), key=lambda one: one.ndim).shape))
    return [one.reshape(1, -1, tail) if one.shape == shape else one.reshape(1, tail) for one in (x, *others)], shape


def _several(combine):
    """Return a function that says a case by what is composed of its inputs."""

    def say(*inputs, case):
        arrays, shape = _together(*inputs)
        return [compose(lambda t, own, *values: combine(t, own, *values), *arrays, relu=layers.ReLU()).reshape(shape)]

    return say


def _folded(pair):
    def fold(t, own, first, *others):
        for other in others:
            first = pair(t, own, first, other)
        return first if others else first * 1

    return fold


says("Add")(_several(lambda t, own, a, b: a + b))
says("Sub")(_several(lambda t, own, a, b: a - b))
says("Mul")(_several(lambda t, own, a, b: a * b))
says("Div")(_several(lambda t, own, a, b: a / b))
says("Sum")(_several(lambda t, own, *values: t.add(*values)))
says("Mean")(_several(lambda t, own, *values: t.average(*values)))
says("Max")(_several(_folded(lambda t, own, a, b: b + t(own.relu, a - b))))
says("Min")(_several(_folded(lambda t, own, a, b: b - t(own.relu, b - a))))


@says("Where")
def _where(condition, x, y, *, case):
    return _several(lambda t, own, c, a, b: b + c * (a - b))(condition.astype(x.dtype), x, y, case=case)


@says("Pow")
def _pow(x, exponent, *, case):
    if exponent.ndim:
        raise Unsaid("an exponent that is an array")
    return [run(layers.Power(float(exponent)), x[None])[0]]


def _kept(x, bound, bias):
    return np.where(x > bound, x - bias, np.where(x < -bound, x + bias, 0))


# Functions of one's own for a `Lambda`, with their derivatives.
FUNCTIONS = {
    "Acos": (np.arccos, lambda x: -((1 - x * x) ** -0.5)),
    "Acosh": (np.arccosh, lambda x: (x * x - 1) ** -0.5),
    "Asin": (np.arcsin, lambda x: (1 - x * x) ** -0.5),
    "Asinh": (np.arcsinh, lambda x: (1 + x * x) ** -0.5),
    "Atan": (np.arctan, lambda x: 1 / (1 + x * x)),
    "Atanh": (np.arctanh, lambda x: 1 / (1 - x * x)),
    "Cos": (np.cos, lambda x: -np.sin(x)),
    "Cosh": (np.cosh, np.sinh),
    "Erf": (lambda x: np.vectorize(erf)(x).astype(x.dtype), lambda x: 2 / sqrt(pi) * np.exp(-x * x)),
    "Exp": (np.exp, np.exp),
    "Log": (np.log, lambda x: 1 / x),
    "Sin": (np.sin, np.cos),
    "Sinh": (np.sinh, np.cosh),
    "Tan": (np.tan, lambda x: np.cos(x) ** -2),
}

for _operator, (_function, _derivative) in FUNCTIONS.items():
    says(_operator, own=True)(_one(lambda case, f=_function, d=_derivative: layers.Lambda(f, derivative=d)))


@says("ThresholdedRelu", own=True)
def _thresholded(x, *, case):
    alpha = case.get("alpha", 1.0)
    layer = layers.Lambda(lambda v: v * (v > alpha), derivative=lambda v: (v > alpha).astype(v.dtype))
    return [run(layer, x[None])[0]]


@says("Shrink", own=True)
def _shrink(x, *, case):
    bound, bias = case.get("lambd", 0.5), case.get("bias", 0.0)
    layer = layers.Lambda(
        lambda v: _kept(v, bound, bias).astype(v.dtype), derivative=lambda v: (abs(v) > bound).astype(v.dtype)
    )
    return [run(layer, x[None])[0]]
