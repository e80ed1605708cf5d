"""The cases of layers that operators and slices stand for in a ``compose``, of functions, and of such a composite."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends import Array
from lamina.layers import Add, Divide, Lambda, Multiply, Power, Rescaling, Select, Slice, Split, Subtract
from lamina.testing.cases.case import LayerCase, layer_case
from lamina.testing.cases.examples import Arithmetic

__all__ = ["layer_cases"]


def layer_cases() -> tuple[LayerCase, ...]:
    """Return the cases of all of them."""
    return (*_operators(), *_slices(), *_functions())


def _operators() -> tuple[LayerCase, ...]:
    shape, one, vector = (5, 4, 3), (5, 4, 1), (5, 3)
    sequences: dict[str, Any] = {"ignores_padding": False}
    # Away from 0, where what is divided by it, or a root of it, has no slope that differences could find.
    apart = np.random.default_rng(5).uniform(0.5, 2.0, shape)
    return (
        layer_case("Add-broadcast", lambda: Add(broadcast=True), shape, vector, one, **sequences),
        layer_case("Multiply-broadcast", lambda: Multiply(broadcast=True), vector, one, shape, **sequences),
        layer_case("Subtract", Subtract, shape, shape, **sequences),
        layer_case("Subtract-rows", Subtract, vector, vector),
        layer_case("Subtract-broadcast", lambda: Subtract(broadcast=True), one, vector, **sequences),
        layer_case("Divide", Divide, shape, apart, **sequences),
        layer_case("Divide-broadcast", lambda: Divide(broadcast=True), apart[:, 0], apart, **sequences),
        layer_case("Rescaling", lambda: Rescaling(-1, offset=1)),
        layer_case("Rescaling-rows", lambda: Rescaling(0.5), vector),
        layer_case("Power", lambda: Power(2), **sequences),
        layer_case("Power-root", lambda: Power(0.5), apart, **sequences),
        layer_case("Power-inverse", lambda: Power(-1), apart, **sequences),
        layer_case("Composite-arithmetic", lambda: Arithmetic(3), shape, vector),
    )


def _slices() -> tuple[LayerCase, ...]:
    return (
        layer_case("Slice", lambda: Slice(1, 3)),
        layer_case("Slice-end", lambda: Slice(stop=-1), time=5),
        layer_case("Slice-last-steps", lambda: Slice(-2), time=5),
        layer_case("Slice-every-second", lambda: Slice(step=2), time=5),
        layer_case("Slice-backwards", lambda: Slice(None, None, -1), time=5),
        layer_case("Slice-from-the-end", lambda: Slice(-1, 0, -2), time=6),
        layer_case("Slice-features", lambda: Slice(1, axis=-1), ignores_padding=False),
        layer_case("Slice-rows", lambda: Slice(step=2), (5, 7)),
        layer_case("Slice-four-axes", lambda: Slice(-2), (4, 3, 2, 5), lengths=True),
        layer_case("Select", lambda: Select(-1)),
        layer_case("Select-first", lambda: Select(0)),
        layer_case("Select-before-the-last", lambda: Select(-3)),
        layer_case("Select-third", lambda: Select(2)),
        layer_case("Select-features", lambda: Select(1, axis=2), lengths=False),
        layer_case("Select-axis", lambda: Select(-1, axis=2), (4, 3, 2, 5), lengths=True, ignores_padding=False),
        layer_case("Split", lambda: Split(2), (5, 4, 6)),
        layer_case("Split-sizes", lambda: Split([1, 2])),
        layer_case("Split-rows", lambda: Split([2, 4, 1]), (5, 7)),
        layer_case("Split-time", lambda: Split([1, 3], axis=1)),
    )


def _functions() -> tuple[LayerCase, ...]:
    shape = (5, 4, 3)
    return (
        layer_case("Lambda", lambda: Lambda("sine")),
        layer_case("Lambda-rows", lambda: Lambda("sine"), (5, 7)),
        layer_case("Lambda-inputs", lambda: Lambda("mixture"), shape, shape, ignores_padding=False),
        layer_case("Lambda-lengths", lambda: Lambda("sum of steps")),
    )


def _sine(x: Array, xp: Any) -> Array:
    return xp.sin(x)


def _cosine(x: Array, xp: Any) -> Array:
    return xp.cos(x)


def _mixture(a: Array, b: Array) -> Array:
    return a * b[..., :1]


def _mixture_gradient(dy: Array, a: Array, b: Array, xp: Any) -> tuple[Array, Array]:
    rest = 0 * b[..., 1:]
    return dy * b[..., :1], xp.concat([xp.sum(dy * a, axis=-1, keepdims=True), rest], axis=-1)


def _weights(x: Array, lengths: Any, xp: Any) -> Array:
    """Return 1 for each step before a row's end, else 0."""
    ends = [x.shape[1]] * x.shape[0] if lengths is None else [int(own) for own in lengths]
    rows = [[[float(step < end)] for step in range(x.shape[1])] for end in ends]
    return xp.asarray(rows, dtype=x.dtype)


def _sum_of_steps(x: Array, lengths: Any, xp: Any) -> Array:
    weights = _weights(x, lengths, xp)
    return xp.sum(xp.where(weights > 0, x, 0 * weights), axis=1)


def _sum_of_steps_gradient(dy: Array, x: Array, lengths: Any, xp: Any) -> Array:
    return dy[:, None, :] * _weights(x, lengths, xp)


Lambda.register("sine", _sine, derivative=_cosine)
Lambda.register("mixture", _mixture, gradient=_mixture_gradient)
Lambda.register(
    "sum of steps", _sum_of_steps, gradient=_sum_of_steps_gradient, shape=lambda shape: (shape[0], shape[2])
)
