"""Losses of numbers that are a mean over outputs: of errors, of yes or no, of counts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lamina.backends.numba.engine.elements import exponential, log_1p, squash
from lamina.backends.numba.engine.forms.loss import LossForm, make_elementwise
from lamina.backends.numba.engine.memory import compiled, inside

__all__ = ["RegressionLossForm"]


class RegressionLossForm(LossForm):
    """A loss that names what it takes: numbers, and settings for each output."""

    def numbers(self) -> list[float]:
        """Return the settings that are numbers."""
        return [float(value) for value in self.call.options.get("numbers", ())]

    def arrays(self) -> list[Any]:
        """Return the settings of each output; one number is that of all."""
        features = self.call.inputs[0].features
        given = (None if one is None else np.asarray(one, np.float64) for one in self.call.options.get("arrays", ()))
        return [None if one is None else np.broadcast_to(one, features) for one in given]


@compiled
def _sign(x: Any) -> Any:
    """Return 1, -1, or what is neither: 0 and NaN."""
    one = type(x)(1)
    return one if x > 0 else -one if x < 0 else x


@compiled
def _squared_both(z: Any, t: Any, first: Any, second: Any, a: Any, b: Any, c: Any) -> Any:
    difference = z - t
    return difference * difference, difference + difference


@compiled
def _absolute_both(z: Any, t: Any, first: Any, second: Any, a: Any, b: Any, c: Any) -> Any:
    difference = z - t
    return abs(difference), _sign(difference)


@compiled
def _huber_both(z: Any, t: Any, first: Any, second: Any, a: Any, b: Any, c: Any) -> Any:
    difference = z - t
    size = abs(difference)
    bounded = a if size > a else size
    slope = a if difference > a else -a if difference < -a else difference
    return bounded * (size - bounded / type(z)(2)), slope


@compiled
def _percentage_both(z: Any, t: Any, first: Any, second: Any, a: Any, b: Any, c: Any) -> Any:
    hundred, size = type(z)(100), abs(t)
    size = a if size < a else size
    return hundred * (abs(z - t) / size), hundred * (_sign(z - t) / size)


@compiled
def _logarithmic_both(z: Any, t: Any, first: Any, second: Any, a: Any, b: Any, c: Any) -> Any:
    zero, one = type(z)(0), type(z)(1)
    positive = zero if z < 0 else z
    difference = math.log1p(positive) - math.log1p(t)
    return difference * difference, zero if z < 0 else (difference + difference) / (one + positive)


@compiled
def _cosh_both(z: Any, t: Any, first: Any, second: Any, a: Any, b: Any, c: Any) -> Any:
    inside()
    size = abs(z - t)
    # Near 0 the second form would leave no digits: cosh d = 1 + 2 sinh(d / 2)^2.
    half = (size if size < 1 else type(z)(1)) * type(z)(0.5)
    square = half * half
    total = type(z)(1 / 1307674368000)
    total = total * square + type(z)(1 / 6227020800)
    total = total * square + type(z)(1 / 39916800)
    total = total * square + type(z)(1 / 362880)
    total = total * square + type(z)(1 / 5040)
    total = total * square + type(z)(1 / 120)
    total = total * square + type(z)(1 / 6)
    half = total * square * half + half
    near = log_1p(half * half + half * half)
    far = size + log_1p(exponential(-(size + size))) - type(z)(math.log(2))
    return near if size < 1 else far, squash(z - t)


@compiled
def _hinge_both(z: Any, t: Any, first: Any, second: Any, a: Any, b: Any, c: Any) -> Any:
    zero, one, two = type(z)(0), type(z)(1), type(z)(2)
    side = one if t > 0 else -one
    lacking = one - side * z
    lacking = zero if lacking < 0 else lacking
    if a != 0:
        return lacking * lacking, -two * side * lacking
    return lacking, -side if lacking > 0 else zero


@compiled
def _poisson_both(z: Any, t: Any, first: Any, second: Any, a: Any, b: Any, c: Any) -> Any:
    """Of logarithms of rates where ``a``, in full where ``b``, with the epsilon ``c``."""
    zero, one = type(z)(0), type(z)(1)
    if a != 0:
        rate = math.exp(z)
        value, slope = rate - t * (zero if t == 0 else z), rate - t
    else:
        rate = zero if z < 0 else z
        value = rate - t * math.log(rate + c)
        slope = zero if z < 0 else one - t / (rate + c)
    if b != 0 and t > 1:
        value += t * math.log(t) - t + math.log(type(z)(2 * math.pi) * t) / type(z)(2)
    return value, slope


@compiled
def _binary_both(z: Any, t: Any, first: Any, second: Any, a: Any, b: Any, c: Any) -> Any:
    """With weights of positives and of outputs; smoothing leaves the share ``a`` and adds ``b``."""
    inside()
    zero, one = type(z)(0), type(z)(1)
    t = t * a + b
    positive, negative = t * first * second, (one - t) * second
    tail = exponential(-abs(z))
    value = (positive + negative) * log_1p(tail)
    # An infinite logit costs nothing on the side that is no target, and 0 * inf is NaN.
    value += zero if negative == 0 or z < 0 else negative * z
    value -= zero if positive == 0 or z > 0 else positive * z
    larger = one / (one + tail)
    smaller = tail * larger
    above = z > 0
    return value, negative * (larger if above else smaller) - positive * (smaller if above else larger)


@compiled
def _focal_both(z: Any, t: Any, first: Any, second: Any, a: Any, b: Any, c: Any) -> Any:
    """With gamma ``a``, and the weights of yes and no, ``b`` and ``c``."""
    inside()
    zero, one = type(z)(0), type(z)(1)
    positive, negative = b * t * second, c * (one - t) * second
    common = log_1p(exponential(-abs(z)))
    no, yes = (zero if z > 0 else -z) + common, (zero if z < 0 else z) + common
    of_positive, of_negative = zero if positive == 0 else no, zero if negative == 0 else yes
    positive *= exponential(zero if a == 0 else -a * yes)
    negative *= exponential(zero if a == 0 else -a * no)
    s, rest = exponential(-no), exponential(-yes)
    slope = negative * (a * rest * (zero if rest == 0 else yes) + s)
    slope -= positive * (a * s * (zero if s == 0 else no) + rest)
    return positive * of_positive + negative * of_negative, slope


_squared, _absolute = make_elementwise(_squared_both), make_elementwise(_absolute_both)
_huber, _percentage = make_elementwise(_huber_both), make_elementwise(_percentage_both)
_logarithmic, _cosh = make_elementwise(_logarithmic_both), make_elementwise(_cosh_both)
_hinge, _poisson = make_elementwise(_hinge_both), make_elementwise(_poisson_both)
_binary, _focal = make_elementwise(_binary_both), make_elementwise(_focal_both)


def mean_squared_error_float32(address: Any) -> None:
    """Write the loss and the gradient."""
    _squared(address, np.float32)


def mean_squared_error_float64(address: Any) -> None:
    """Write the loss and the gradient."""
    _squared(address, np.float64)


def mean_absolute_error_float32(address: Any) -> None:
    """Write the loss and the gradient."""
    _absolute(address, np.float32)


def mean_absolute_error_float64(address: Any) -> None:
    """Write the loss and the gradient."""
    _absolute(address, np.float64)


def huber_float32(address: Any) -> None:
    """Write the loss and the gradient."""
    _huber(address, np.float32)


def huber_float64(address: Any) -> None:
    """Write the loss and the gradient."""
    _huber(address, np.float64)


def mean_absolute_percentage_error_float32(address: Any) -> None:
    """Write the loss and the gradient."""
    _percentage(address, np.float32)


def mean_absolute_percentage_error_float64(address: Any) -> None:
    """Write the loss and the gradient."""
    _percentage(address, np.float64)


def mean_squared_logarithmic_error_float32(address: Any) -> None:
    """Write the loss and the gradient."""
    _logarithmic(address, np.float32)


def mean_squared_logarithmic_error_float64(address: Any) -> None:
    """Write the loss and the gradient."""
    _logarithmic(address, np.float64)


def log_cosh_float32(address: Any) -> None:
    """Write the loss and the gradient."""
    _cosh(address, np.float32)


def log_cosh_float64(address: Any) -> None:
    """Write the loss and the gradient."""
    _cosh(address, np.float64)


def hinge_float32(address: Any) -> None:
    """Write the loss and the gradient."""
    _hinge(address, np.float32)


def hinge_float64(address: Any) -> None:
    """Write the loss and the gradient."""
    _hinge(address, np.float64)


def poisson_negative_log_likelihood_float32(address: Any) -> None:
    """Write the loss and the gradient."""
    _poisson(address, np.float32)


def poisson_negative_log_likelihood_float64(address: Any) -> None:
    """Write the loss and the gradient."""
    _poisson(address, np.float64)


def binary_cross_entropy_float32(address: Any) -> None:
    """Write the loss and the gradient."""
    _binary(address, np.float32)


def binary_cross_entropy_float64(address: Any) -> None:
    """Write the loss and the gradient."""
    _binary(address, np.float64)


def binary_focal_cross_entropy_float32(address: Any) -> None:
    """Write the loss and the gradient."""
    _focal(address, np.float32)


def binary_focal_cross_entropy_float64(address: Any) -> None:
    """Write the loss and the gradient."""
    _focal(address, np.float64)
