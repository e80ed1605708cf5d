"""L-BFGS: its direction by the full matrix of the printed update, what a step ends at, and what it refuses."""

import math
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import Sequential
from lamina.errors import ArgumentError, CheckpointError
from lamina.layers import Dense, Embedding, Tanh
from lamina.losses import MeanSquaredError
from lamina.optimizers import LBFGS

RNG = np.random.default_rng(0)


def layer_of(size: int, backend: str = "numpy", dtype: str = "float64") -> Dense:
    layer = Dense(1, use_bias=False)
    layer.build((None, size), backend=backend, dtype=dtype, seed=1)
    return layer


def closure_of(layer: Dense, function: Any, seen: list[Any] | None = None) -> Any:
    """Return a closure over a function of a vector, which returns its value and gradient."""

    def closure() -> float:
        point = layer.w.numpy()[:, 0].astype("float64")
        value, gradient = function(point)
        layer.w.grad = gradient[:, None]
        if seen is not None:
            seen.append((point, gradient))
        return float(value)

    return closure


def rosenbrock(x: Any) -> tuple[float, Any]:
    a, b = x[:-1], x[1:]
    gradient = np.zeros_like(x)
    gradient[:-1] = -400 * a * (b - a**2) - 2 * (1 - a)
    gradient[1:] += 200 * (b - a**2)
    return float((100 * (b - a**2) ** 2 + (1 - a) ** 2).sum()), gradient


@pytest.mark.parametrize("backend", ["numpy", "reference"])
def test_it_finds_the_minimum_of_a_curved_valley(backend: str) -> None:
    layer = layer_of(6, backend)
    optimizer, calls = LBFGS(layer.parameters()), []
    for _ in range(6):
        optimizer.step(closure_of(layer, rosenbrock, calls))
    np.testing.assert_allclose(layer.w.numpy(), np.ones((6, 1)), atol=1e-5)
    assert len(calls) < 150
    assert (optimizer.steps, optimizer.needs_closure) == (6, True)


@pytest.mark.parametrize("history", [1, 3, 20])
def test_directions_are_those_of_the_full_matrix(history: int) -> None:
    """H, (6, 6), is built anew for every step from the last pairs, and its direction compared."""
    layer = layer_of(6)
    optimizer, visited = LBFGS(layer.parameters(), 0.002, max_iterations=1, history=history, line_search=None), []
    for _ in range(12):
        optimizer.step(closure_of(layer, rosenbrock, visited))
    points, gradients = (np.array(part) for part in zip(*visited, strict=True))
    steps, changes = np.diff(points, axis=0), np.diff(gradients, axis=0)
    first = -min(1, 1 / np.abs(gradients[0]).sum()) * 0.002 * gradients[0]
    np.testing.assert_allclose(steps[0], first, rtol=1e-12)
    for place in range(1, 11):
        pairs = [(s, y) for s, y in zip(steps[:place], changes[:place], strict=True) if s @ y > 1e-10][-history:]
        s, y = pairs[-1]
        h = s @ y / (y @ y) * np.eye(6)
        for s, y in pairs:
            left = np.eye(6) - np.outer(s, y) / (s @ y)
            h = left @ h @ left.T + np.outer(s, s) / (s @ y)
        np.testing.assert_allclose(steps[place], -0.002 * h @ gradients[place], rtol=1e-7)


def test_a_pair_without_curvature_is_left_out() -> None:
    """Of a hill, where the gradient grows along the step, there is no pair: the direction is the gradient's."""
    layer = layer_of(3)
    optimizer = LBFGS(layer.parameters(), 0.1, max_iterations=5, line_search=None)
    optimizer.step(closure_of(layer, lambda x: (float(-(x @ x)), -2 * x)))
    assert optimizer.pairs == 0
    assert optimizer.iterations == 5


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_network_learns_by_it(dtype: str) -> None:
    x = RNG.standard_normal((40, 3))
    y = np.sin(x.sum(axis=1, keepdims=True))
    model = Sequential(Dense(8), Tanh(), Dense(1))
    model.build((None, 3), dtype=dtype, seed=0)
    loss, optimizer = MeanSquaredError(), LBFGS(model.parameters())
    x, y = x.astype(dtype), y.astype(dtype)

    def closure() -> Any:
        optimizer.zero_grad()
        prediction, saved = model.forward(x)
        value, loss_saved = loss.forward(prediction, y)
        model.backward(loss.backward(loss_saved), saved)
        return value

    values = [float(optimizer.step(closure)) for _ in range(10)]
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.01 * values[0]


def test_a_table_by_rows_and_what_is_frozen() -> None:
    """A table's rows that no id names stay; so does what is not trainable."""
    model = Sequential(Embedding(7, 2), Dense(3), Dense(2))
    model.build((None,), dtype="float64", seed=0)
    model.layers[1].trainable = False
    before, loss = model.state_dict(), lamina.losses.SoftmaxCrossEntropy()
    optimizer = LBFGS(model.parameters())
    ids, labels = np.array([1, 4, 4, 6]), np.array([0, 1, 1, 0])

    def closure() -> Any:
        optimizer.zero_grad()
        prediction, saved = model.forward(ids)
        value, loss_saved = loss.forward(prediction, labels)
        model.backward(loss.backward(loss_saved), saved, input_gradient=False)
        return value

    first = float(closure())
    for _ in range(3):
        last = optimizer.step(closure)
    assert float(last) < 0.01 * first
    after = model.state_dict()
    assert (after["0.w"] != before["0.w"]).any(axis=1).tolist() == [place in (1, 4, 6) for place in range(7)]
    assert (after["1.w"] == before["1.w"]).all()
    assert (after["2.w"] != before["2.w"]).all()


def test_nothing_is_done_where_nothing_is_trainable_or_the_gradient_is_0() -> None:
    layer = layer_of(3)
    before, calls = layer.w.numpy(), []
    LBFGS(layer.parameters()).step(closure_of(layer, lambda x: (1.0, 1e-8 * x), calls))
    layer.trainable = False
    LBFGS(layer.parameters()).step(closure_of(layer, rosenbrock, calls))
    assert len(calls) == 2
    assert (layer.w.data == before).all()


def test_what_is_not_finite_counts_as_too_far() -> None:
    """Beyond 3 from the start the function is NaN; the minimum lies at 2."""
    layer = layer_of(1)
    layer.w.data = [[0.0]]

    def function(x: Any) -> tuple[float, Any]:
        return (float("nan"), x * float("nan")) if x[0] > 3 else (float((x[0] - 2) ** 4), 4 * (x - 2) ** 3)

    for _ in range(5):
        LBFGS(layer.parameters(), lr=1000.0).step(closure_of(layer, function))
    assert layer.w.data[0, 0] == pytest.approx(2.0, abs=0.05)


def test_a_first_loss_that_is_not_finite_moves_nothing() -> None:
    layer = layer_of(2)
    before = layer.w.numpy()
    assert math.isnan(LBFGS(layer.parameters()).step(closure_of(layer, lambda x: (float("nan"), x))))
    assert (layer.w.data == before).all()


@pytest.mark.parametrize("most", [1, 3, 7])
def test_the_closure_is_called_about_as_often_as_allowed(most: int) -> None:
    layer, calls = layer_of(6), []
    LBFGS(layer.parameters(), max_evaluations=most).step(closure_of(layer, rosenbrock, calls))
    assert most <= len(calls) <= 2 * most + 1


def test_a_run_goes_on_bit_for_bit() -> None:
    layer = layer_of(6)
    optimizer = LBFGS(layer.parameters(), max_iterations=3, history=2)
    for _ in range(3):
        optimizer.step(closure_of(layer, rosenbrock))
    weights, state = layer.state_dict(), optimizer.state_dict()
    for _ in range(3):
        optimizer.step(closure_of(layer, rosenbrock))
    again = layer_of(6)
    again.load_state_dict(weights)
    other = LBFGS(again.parameters(), 0.5, max_iterations=3, history=2)
    other.load_state_dict(state)
    for _ in range(3):
        other.step(closure_of(again, rosenbrock))
    assert (again.w.data == layer.w.data).all()
    with pytest.raises(CheckpointError, match=r"^state does not fit LBFGS: missing w/step_2"):
        LBFGS(again.parameters(), history=3).load_state_dict(state)


def test_without_a_closure_it_says_what_it_needs() -> None:
    with pytest.raises(ArgumentError) as caught:
        LBFGS(layer_of(2).parameters()).step()
    told = "a function that computes the loss and its gradients and returns the loss, got none"
    assert str(caught.value) == f"LBFGS: step needs a closure, {told}"


@pytest.mark.parametrize("general", [{"clip_norm": 1.0}, {"clip_value": 1.0}, {"groups": {"w": {"lr": 0.1}}}])
def test_it_takes_neither_clipping_nor_groups(general: Any) -> None:
    with pytest.raises(TypeError):
        LBFGS(layer_of(2).parameters(), **general)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_iterations": 0}, "expected max_iterations to be a whole number of 1 or more, got 0"),
        ({"max_evaluations": 0.5}, "expected max_evaluations to be a whole number of 1 or more, got 0.5"),
        ({"gradient_tolerance": -1}, "expected gradient_tolerance to be a number of at least 0, got -1"),
        ({"change_tolerance": -1}, "expected change_tolerance to be a number of at least 0, got -1"),
        ({"history": 0}, "expected history to be a whole number of 1 or more, got 0"),
    ],
)
def test_settings_out_of_range_are_refused(settings: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        LBFGS(layer_of(2).parameters(), **settings)
    assert str(caught.value) == f"LBFGS: {message}"


def test_it_prints_what_differs_from_the_defaults() -> None:
    assert repr(LBFGS(layer_of(2).parameters())) == "LBFGS()"
    assert repr(LBFGS(layer_of(2).parameters(), 0.5, line_search=None)) == "LBFGS(lr=0.5, line_search=None)"


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # PyTorch's, but for the history, which is SciPy's, and the line search.
    assert defaults(LBFGS) == {
        "lr": 1.0,
        "max_iterations": 20,
        "max_evaluations": None,
        "gradient_tolerance": 1e-07,
        "change_tolerance": 1e-09,
        "history": 10,
        "line_search": "strong_wolfe",
    }
