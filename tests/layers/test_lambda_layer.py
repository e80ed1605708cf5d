"""Lambda; its functions' names are in framework/kinds/test_functions."""

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import Sequential
from lamina.errors import ArgumentError, CheckpointError, ShapeError, StreamError, UnknownNameError
from lamina.layers import Dense, Lambda

X = np.random.default_rng(0).standard_normal((3, 4, 2))


def built(layer: Lambda, *shapes: Any, **options: Any) -> Lambda:
    layer.build(*shapes or ((None, None, 2),), dtype="float64", **options)
    return layer


def cubed() -> Lambda:
    return Lambda(lambda x: x**3, derivative=lambda x: 3 * x**2)


def test_defaults(defaults: Callable[[Any], dict[str, Any]]) -> None:
    assert defaults(Lambda) == {"gradient": None, "derivative": None, "shape": None}


def test_an_elementwise_function() -> None:
    layer = built(cubed())
    y, saved = layer.forward(X)
    np.testing.assert_array_equal(y, X**3)
    np.testing.assert_array_equal(layer.backward(X + 1, saved), (X + 1) * (3 * X**2))


def test_a_function_of_several_inputs_with_several_outputs() -> None:
    def both(a: Any, b: Any) -> Any:
        return a * b, a + b

    def gradient(dy: Any, a: Any, b: Any) -> Any:
        return dy[0] * b + dy[1], dy[0] * a + dy[1]

    layer = built(Lambda(both, gradient=gradient, shape=lambda a, b: (a, b)), (None, None, 2), (None, None, 2))
    b = X[::-1].copy()
    y, saved = layer.forward(X, b)
    np.testing.assert_array_equal(y, (X * b, X + b))
    np.testing.assert_array_equal(layer.backward((X, b), saved), (X * b + b, X * X + b))
    for own, whole in zip(layer(X, b, lengths=([4, 1, 0],) * 2), y, strict=True):
        np.testing.assert_array_equal(own[0], whole[0])
        np.testing.assert_array_equal(own[1, :1], whole[1, :1])
        assert not own[1, 1:].any() and not own[2].any()
    with pytest.raises(ShapeError, match=r"^Lambda: expected inputs of the same lengths, got \[4, 1, 0\] and \[4, "):
        layer(X, b, lengths=([4, 1, 0], [4, 2, 0]))


@pytest.mark.filterwarnings("error")
def test_padding_is_no_number_that_an_elementwise_function_may_not_get() -> None:
    layer = built(Lambda(np.log, derivative=lambda x: 1 / x))
    x = np.where(np.arange(4)[None, :, None] < np.array([4, 2, 0])[:, None, None], np.abs(X), 0)
    y, saved = layer.forward(x, lengths=[4, 2, 0])
    dx = layer.backward(np.ones_like(y), saved)
    np.testing.assert_array_equal(y[0], np.log(x[0]))
    np.testing.assert_array_equal(dx[1, :2], 1 / x[1, :2])
    assert not y[1, 2:].any() and not dx[1, 2:].any() and not dx[2].any()


def test_lengths_go_to_a_function_that_takes_them() -> None:
    seen = []

    def last(x: Any, lengths: Any) -> Any:
        seen.append(lengths)
        ends = np.full(len(x), x.shape[1]) if lengths is None else lengths
        return x[np.arange(len(x)), ends - 1]

    def gradient(dy: Any, x: Any, lengths: Any) -> Any:
        dx = np.zeros_like(x)
        dx[np.arange(len(x)), (np.full(len(x), x.shape[1]) if lengths is None else lengths) - 1] = dy
        return dx

    layer = built(Lambda(last, gradient=gradient, shape=[2]))
    assert layer.output_shape == (None, 2)
    y, saved = layer.forward(X, lengths=[4, 2, 1])
    np.testing.assert_array_equal(y, [X[0, 3], X[1, 1], X[2, 0]])
    dx = layer.backward(y, saved)
    assert dx[1].tolist() == [[0, 0], X[1, 1].tolist(), [0, 0], [0, 0]]
    np.testing.assert_array_equal(layer(X), X[:, -1])
    assert [None if own is None else own.tolist() for own in seen] == [[4, 2, 1], None]
    assert layer.output_lengths(np.array([4, 2, 1])) is None
    with pytest.raises(StreamError, match=r"^Lambda: cannot stream: its function takes lengths$"):
        layer.stream_state(1)


def test_what_cannot_follow_lengths_is_refused() -> None:
    layer = built(Lambda(lambda x: x.mean(1), gradient=lambda dy, x: 0 * x + dy[:, None] / x.shape[1], shape=[2]))
    np.testing.assert_array_equal(layer(X, lengths=[4, 4, 4]), layer(X))
    with pytest.raises(ShapeError) as caught:
        layer(X, lengths=[4, 2, 4])
    assert str(caught.value) == (
        "Lambda: its function takes no lengths, and makes (3, 2) of rows that differ in length: give it a parameter "
        "lengths"
    )
    with pytest.raises(StreamError, match=r"^Lambda: cannot stream: it makes \(batch, 2\) of \(batch, time, 2\)$"):
        layer.stream_state(1)


def test_it_streams_step_by_step() -> None:
    model = Sequential(Dense(3), cubed())
    model.build((None, None, 2), dtype="float64", seed=0)
    stream = lamina.Stream(model)
    np.testing.assert_allclose(np.concatenate([stream(X[:, :1]), stream(X[:, 1:])], 1), model(X), rtol=1e-13)


def test_a_model_of_a_named_function_is_saved_copied_and_pickled(tmp_path: Path) -> None:
    Lambda.register("cubed, in a test", lambda x: x / (1 + x * x), derivative=lambda x: (1 - x**2) / (1 + x**2) ** 2)
    model = Sequential(Dense(3), Lambda("cubed, in a test"))
    model.build((None, None, 2), dtype="float64", seed=0)
    assert repr(model.layers[1]) == "Lambda('cubed, in a test')"
    model.save(tmp_path / "model.safetensors")
    for again in (
        lamina.load(tmp_path / "model.safetensors"),
        copy.deepcopy(model),
        pickle.loads(pickle.dumps(model)),
    ):
        np.testing.assert_array_equal(again(X), model(X))


def square(x: Any) -> Any:
    return x * x


def test_a_function_that_has_a_name_is_known_by_it() -> None:
    Lambda.register("square, in a test", square, derivative=lambda x: 2 * x)
    layer = built(Lambda(square))
    assert repr(layer) == "Lambda('square, in a test')" and layer.config() == {"function": "square, in a test"}
    y, saved = layer.forward(X)
    np.testing.assert_array_equal(layer.backward(y, saved), 2 * X * X * X)


def test_a_function_without_a_name_is_not_saved_and_says_what_to_do(tmp_path: Path) -> None:
    model = Sequential(Dense(2), cubed())
    model.build((None, 2), seed=0)
    with pytest.raises(CheckpointError) as caught:
        model.save(tmp_path / "model.safetensors")
    assert str(caught.value) == (
        "Lambda '1': cannot save a function: name it with Lambda.register('name', function, ...), and write "
        "Lambda('name')"
    )
    assert not list(tmp_path.iterdir())
    assert copy.deepcopy(model)(X[:, 0]).tolist() == model(X[:, 0]).tolist()


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="no such name, in a test"):
        Lambda("no such name, in a test")
    with pytest.raises(ArgumentError, match=r"^Lambda: expected gradient, of dy and the inputs, or derivative, "):
        Lambda(lambda x: x)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            Lambda(lambda x: x[:, :1], derivative=lambda x: x),
            "Lambda: expected (3, 4, 2) of its function, got (3, 1, 2): say so with shape=",
        ),
        (
            Lambda(lambda x: x[..., :1], derivative=lambda x: x),
            "Lambda: expected (3, 4, 2) of its function, got (3, 4, 1): say so with shape=",
        ),
        (
            Lambda(lambda x: x[:1], derivative=lambda x: x),
            "Lambda: expected (3, 4, 2) of its function, got (1, 4, 2): say so with shape=",
        ),
        (
            Lambda(lambda x: x, derivative=lambda x: x, shape=(None, 3)),
            "Lambda: expected (batch, time, 3) of its function, got (3, 4, 2): say so with shape=",
        ),
        (Lambda(lambda x: (x, x), derivative=lambda x: x), "Lambda: expected 1 outputs, got 2"),
    ],
)
def test_what_a_function_gives_must_be_what_was_said(layer: Lambda, message: str) -> None:
    built(layer)
    with pytest.raises(ShapeError) as caught:
        layer(X)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("gradient", "message"),
    [
        (lambda dy, x: dy[..., :1], "Lambda: expected the gradient of input 0 as (3, 4, 2), got (3, 4, 1)"),
        (lambda dy, x: (dy, dy), "Lambda: expected a gradient of each of 1 inputs, got 2"),
    ],
)
def test_what_a_gradient_gives_must_fit_the_inputs(gradient: Any, message: str) -> None:
    layer = built(Lambda(lambda x: x, gradient=gradient))
    y, saved = layer.forward(X)
    with pytest.raises(ShapeError) as caught:
        layer.backward(y, saved)
    assert str(caught.value) == message


def test_the_models_dtype_stays() -> None:
    layer = Lambda(lambda x: x * np.float64(2) + np.ones(2), derivative=lambda x: np.full(x.shape, 2.0))
    layer.build((None, None, 2))
    y, saved = layer.forward(X.astype("float32"))
    assert y.dtype == layer.backward(y, saved).dtype == "float32"
