"""Joining along an axis."""

from typing import Any

import numpy as np
import pytest

from lamina import Concat, Sequential
from lamina.errors import ArgumentError, ShapeError
from lamina.layers import Dense, LastStep, SimpleRNN, Tanh


def test_branches_by_hand() -> None:
    layer = Concat(Dense(1, w_initializer=2.0), Dense(2, w_initializer=3.0))
    assert layer.build((None, 2), dtype="float64") == (None, 3)
    x, dy = np.array([[1.0, 2.0]]), np.array([[1.0, 10.0, 100.0]])
    x.flags.writeable = dy.flags.writeable = False
    y, saved = layer.forward(x)
    assert y.tolist() == [[6, 9, 9]] == layer(x).tolist()
    assert layer.backward(dy, saved).tolist() == [[2 + 330, 2 + 330]]
    first, second = layer.branches
    assert first.w.grad.tolist() == [[1], [2]]  # type: ignore[attr-defined]
    assert second.w.grad.tolist() == [[10, 100], [20, 200]]  # type: ignore[attr-defined]
    assert list(layer.named_parameters()) == ["0.w", "0.b", "1.w", "1.b"]


@pytest.mark.parametrize("axis", [1, -2])
def test_inputs_are_joined_along_any_axis_but_the_batchs(axis: int) -> None:
    layer = Concat(axis=axis)
    assert layer.build((None, 2, 3), (None, 4, 3), (None, 1, 3), dtype="float64") == (None, 7, 3)
    parts = [np.full((2, size, 3), float(size)) for size in (2, 4, 1)]
    y, saved = layer.forward(*parts)
    assert y[1, :, 0].tolist() == [2, 2, 4, 4, 4, 4, 1]
    assert (layer(*parts) == y).all()
    gradients = layer.backward(y, saved)
    assert isinstance(gradients, tuple)
    assert all((gradient == part).all() for gradient, part in zip(gradients, parts, strict=True))


def test_one_input_comes_back_as_one_gradient() -> None:
    layer = Concat()
    layer.build((None, 2), dtype="float64")
    y, saved = layer.forward(np.ones((1, 2)))
    assert layer.backward(y, saved).tolist() == [[1, 1]]


@pytest.mark.parametrize(
    ("layer", "shapes", "message"),
    [
        (
            Concat(),
            [(None, 2), (None, 3, 2)],
            "expected shapes that differ only in axis 1, got (batch, 2), (batch, 3, 2)",
        ),
        (
            Concat(),
            [(None, 3, 2), (None, 4, 2)],
            "expected shapes that differ only in axis 2, got (batch, 3, 2), (batch, 4, 2)",
        ),
        (Concat(axis=0), [(None, 2)], "expected an axis after the batch, got axis 0 of (batch, 2)"),
        (
            Concat(axis=1),
            [(None, None, 2)] * 2,
            "expected fixed sizes of axis 1, got (batch, time, 2), (batch, time, 2)",
        ),
        (Concat(axis=2), [(None, 2)], "there is no axis 2 in (batch, 2)"),
        (Concat(axis=-4), [(None, 3, 2)], "there is no axis -4 in (batch, 3, 2)"),
        (Concat(Tanh(), Tanh()), [(None, 2), (None, 2)], "expected one input for its branches, got 2"),
        (
            Concat(SimpleRNN(2), SimpleRNN(3, return_state=True)),
            [(None, None, 2)],
            "expected layers with one output each, got (batch, 3), (batch, 3) of SimpleRNN '1'",
        ),
    ],
)
def test_what_cannot_be_joined_is_refused(layer: Concat, shapes: Any, message: str) -> None:
    with pytest.raises(ShapeError) as caught:
        layer.build(*shapes)
    assert str(caught.value) == f"Concat: {message}"
    assert not any(part.is_built for _, part in layer.walk())


def test_a_branch_must_be_a_layer() -> None:
    with pytest.raises(ArgumentError, match=r"^Concat: expected a layer at position 1, got 3$"):
        Concat(Tanh(), 3)  # type: ignore[arg-type]


def test_a_shared_branch_is_walked_once_and_adds_up() -> None:
    shared = Dense(1, w_initializer="ones")
    layer = Concat(shared, shared)
    layer.build((None, 1), dtype="float64")
    _, saved = layer.forward(np.array([[2.0]]))
    assert layer.backward(np.array([[3.0, 5.0]]), saved).tolist() == [[8]]
    assert shared.w.grad.tolist() == [[16]]
    assert layer.parameter_count == 2


def test_lengths_reach_every_branch_and_are_as_the_first_says() -> None:
    layer = Concat(SimpleRNN(2), Sequential(Tanh(), LastStep()))
    layer.build((None, None, 3), dtype="float64", seed=0)
    x, lengths = np.random.default_rng(0).standard_normal((2, 4, 3)), np.array([2, 4])
    y = layer(x, lengths=lengths)
    np.testing.assert_allclose(y[0], layer(x[:1, :2])[0], rtol=1e-13)
    assert (y == layer.forward(x, lengths=lengths)[0]).all()
    assert layer.output_lengths(lengths) is None
    assert Concat().output_lengths(lengths) is lengths


@pytest.mark.parametrize("call", [lambda m, x: m.forward(x, lengths=[2, 1]), lambda m, x: m(x, lengths=[2, 1])])
def test_rows_of_unequal_length_are_not_joined_along_time(call):
    model = Concat(Dense(2), Dense(2), axis=1)
    model.build((None, 3, 2))
    with pytest.raises(ShapeError) as info:
        call(model, np.ones((2, 3, 2), np.float32))
    assert str(info.value) == "Concat: cannot join along time rows that differ in length: lengths were given"


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # Keras's.
    assert defaults(Concat) == {"axis": -1}
