"""What joins values on a tape without a layer: by formula, by finite differences, in every mode."""

from typing import Any

import numpy as np
import pytest

import lamina
from lamina import Composite
from lamina.compose.operations import Joined, Mean, Operation, Product, Sum
from lamina.errors import ArgumentError, ShapeError, StreamError
from lamina.layers import Dense, SimpleRNN
from lamina.testing import check_layer

RNG = np.random.default_rng(3)
A, B, C = (RNG.standard_normal((2, 4, 3)) for _ in range(3))
DY = RNG.standard_normal((2, 4, 3))

# name: the operation, its value, and the gradient of each input for dy.
CASES: dict[str, tuple[Operation, Any, list[Any]]] = {
    "sum": (Sum(), A + B + C, [DY, DY, DY]),
    "mean": (Mean(), (A + B + C) / 3, [DY / 3] * 3),
    "product": (Product(), A * B * C, [DY * B * C, DY * A * C, DY * A * B]),
}


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_by_formula(name: str, backend: str) -> None:
    operation, expected, gradients = CASES[name]
    own = lamina.get_backend(backend)
    inputs = [array.copy() for array in (A, B, C)]
    for array in inputs:
        array.flags.writeable = False
    np.testing.assert_allclose(operation.run(own, inputs), expected, rtol=1e-14)
    for found, wanted in zip(operation.gradients(own, DY, operation.kept(inputs)), gradients, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-14)
    assert operation.shape("X", [(None, 4, 3)] * 3, ["a", "b", "c"]) == (None, 4, 3)


@pytest.mark.parametrize("axis", [1, 2, -1, -2])
def test_arrays_side_by_side_come_apart_again(axis: int) -> None:
    own, operation = lamina.get_backend("numpy"), Joined(axis)
    shapes = [[size if place == axis % 3 else length for place, length in enumerate((2, 3, 3))] for size in (1, 2)]
    parts = [np.full(shape, float(place)) for place, shape in enumerate(shapes)]
    joined = operation.run(own, parts)
    np.testing.assert_array_equal(joined, np.concatenate(parts, axis))
    for part, again in zip(parts, operation.gradients(own, joined, operation.kept(parts)), strict=True):
        np.testing.assert_array_equal(part, again)


class Every(Composite):
    """All four ways to join, of layers' outputs and of the input itself."""

    def __init__(self, units: int = 3) -> None:
        self.units = units
        self.left, self.right = SimpleRNN(units, return_sequences=True), SimpleRNN(units, return_sequences=True)

    def compose(self, t: Any, x: Any) -> Any:
        a, b = t(self.left, x), t(self.right, x)
        return t.concatenate(t.add(a, x), t.multiply(a, b), t.average(b, x, a), axis=-1)


@pytest.mark.parametrize("backend", ["numpy", "reference"])
def test_a_model_of_all_of_them_is_proven(backend: str) -> None:
    report = check_layer(Every(), (4, 5, 3), backend=backend)
    assert "gradients" in str(report)


def test_call_forward_stream_and_predict_agree() -> None:
    model = Every()
    model.build((None, None, 3), seed=0, dtype="float64")
    x, lengths = RNG.standard_normal((2, 6, 3)), np.array([6, 2])
    y = model(x)
    a, b = model.left(x), model.right(x)
    np.testing.assert_allclose(y, np.concatenate([a + x, a * b, (a + b + x) / 3], -1), rtol=1e-13)
    np.testing.assert_array_equal(model.forward(x)[0], y)
    stream = lamina.Stream(model)
    np.testing.assert_allclose(np.concatenate([stream(x[:, :1]), stream(x[:, 1:])], 1), y, rtol=1e-12)
    np.testing.assert_allclose(model(x, lengths=lengths)[1, :2], model(x[1:, :2])[0], rtol=1e-13)
    assert model.output_lengths(lengths) is lengths


class One(Composite):
    def __init__(self, compose: Any) -> None:
        self.join, self.dense = compose, Dense(2)

    def compose(self, t: Any, *inputs: Any) -> Any:
        return self.join(t, *inputs)


@pytest.mark.parametrize(
    ("join", "shapes", "message"),
    [
        (
            lambda t, a, b: t.add(a, b),
            [(None, 2), (None, 3)],
            "One: expected one shape, got (batch, 2) of the input, (batch, 3) of the input",
        ),
        (
            lambda t, a, b: t.multiply(a, b),
            [(None, 2), (None, 2, 2)],
            "One: expected one shape, got (batch, 2) of the input, (batch, 2, 2) of the input",
        ),
        (lambda t, a: t.concatenate(a, a, axis=2), [(None, 2)], "One: there is no axis 2 in (batch, 2)"),
    ],
)
def test_what_does_not_fit_is_refused_when_built(join: Any, shapes: Any, message: str) -> None:
    with pytest.raises(ShapeError) as caught:
        One(join).build(*shapes)
    assert str(caught.value) == message


@pytest.mark.parametrize("join", [lambda t, a: t.add(), lambda t, a: t.add(a, 2.0), lambda t, a: t.average(a, None)])
def test_what_is_no_value_is_refused(join: Any) -> None:
    with pytest.raises(ArgumentError, match=r"^compose: expected values, got \("):
        One(join).build((None, 2))


def test_what_is_joined_along_time_does_not_stream_and_takes_no_lengths() -> None:
    model = One(lambda t, a, b: t.concatenate(a, b, axis=1))
    model.build((None, 2, 3), (None, 4, 3), seed=0)
    x, y = np.ones((2, 2, 3)), np.ones((2, 4, 3))
    assert model(x, y).shape == (2, 6, 3)
    with pytest.raises(StreamError, match=r"^One: cannot stream what it joins along the time axis$"):
        lamina.Stream(model)
    with pytest.raises(ShapeError, match=r"^One: cannot join along time rows that differ in length"):
        model(x, y, lengths=([1, 2], [4, 4]))
