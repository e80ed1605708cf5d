"""Adafactor over several steps, by loops over the printed equations."""

import math
from typing import Any

import numpy as np
import pytest

from lamina import Sequential
from lamina.core.parameter import Parameter
from lamina.errors import ArgumentError, CheckpointError
from lamina.layers import Dense, Embedding
from lamina.optimizers import Adafactor

RNG = np.random.default_rng(0)
GRADIENTS = [(RNG.standard_normal((2, 3)), RNG.standard_normal(3)) for _ in range(5)]
EPSILON = float(np.finfo("float64").eps)


@pytest.fixture(params=["numpy", "reference"])
def layer(request: pytest.FixtureRequest) -> Dense:
    layer = Dense(3)
    layer.build((None, 2), backend=request.param, dtype="float64", seed=0)
    layer.b.data = [1.0, -2.0, 0.5]
    return layer


def size(values: Any) -> float:
    return math.sqrt(sum(value * value for value in np.ravel(values)) / np.size(values))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"weight_decay": 0.1, "clip_threshold": 0.3},
        {"clip_threshold": None, "beta1": 0.7},
        {"relative_step": False, "decay_power": 0.5},
        {"epsilon": 0.5, "epsilon_step": 4.0},
    ],
    ids=str,
)
def test_steps_follow_the_equations(layer: Dense, settings: dict[str, Any]) -> None:
    optimizer = Adafactor(layer.parameters(), 0.8, **settings)
    epsilon, power = settings.get("epsilon", EPSILON), settings.get("decay_power", 0.8)
    w, b, rows, columns, square = layer.w.numpy(), layer.b.numpy(), [0.0] * 2, [0.0] * 3, np.zeros(3)
    moments: dict[str, Any] = {"w": np.zeros((2, 3)), "b": np.zeros(3)}
    for t, (of_w, of_b) in enumerate(GRADIENTS, 1):
        layer.w.grad, layer.b.grad = of_w, of_b
        optimizer.step()
        share = t**-power
        for row in range(2):
            rows[row] = (1 - share) * rows[row] + share * sum(of_w[row, c] ** 2 for c in range(3)) / 3
        for c in range(3):
            columns[c] = (1 - share) * columns[c] + share * (of_w[0, c] ** 2 + of_w[1, c] ** 2) / 2
            square[c] = (1 - share) * square[c] + share * of_b[c] ** 2
        whole = max(sum(rows) / 2, epsilon)
        variances = {"w": np.array([[row * c / whole for c in columns] for row in rows]), "b": square}
        for name, weights, gradient in (("w", w, of_w), ("b", b, of_b)):
            rate = 0.8
            if settings.get("relative_step", True):
                rate = max(settings.get("epsilon_step", 1e-3), size(weights)) * min(0.8, 1 / math.sqrt(t))
            weights *= 1 - 0.8 * settings.get("weight_decay", 0.0)
            step = gradient / np.sqrt(np.maximum(variances[name], epsilon**2))
            threshold = settings.get("clip_threshold", 1.0)
            step = step if threshold is None else step / max(1.0, size(step) / threshold)
            beta1 = settings.get("beta1", 0.0)
            moments[name] = beta1 * moments[name] + (1 - beta1) * rate * step
            weights -= moments[name]
        np.testing.assert_allclose(layer.w.data, w, rtol=1e-12)
        np.testing.assert_allclose(layer.b.data, b, rtol=1e-12)
        assert (layer.w.grad == of_w).all()  # never written to
    state = optimizer.state_dict()["parameters"]
    np.testing.assert_allclose(state["w"]["rows"][:, 0], rows, rtol=1e-12)
    np.testing.assert_allclose(state["w"]["columns"][0], columns, rtol=1e-12)
    np.testing.assert_allclose(state["b"]["square"], square, rtol=1e-12)
    assert ("mean" in state["w"]) == ("mean" in state["b"]) == ("beta1" in settings)


def test_a_stack_of_matrices_has_factors_for_each() -> None:
    """Each of a stack moves as it would alone, where neither size nor threshold is over all."""
    start, gradients = RNG.standard_normal((4, 2, 3)), RNG.standard_normal((3, 4, 2, 3))

    def trained(start: Any, gradients: Any) -> Any:
        layer = Dense(1)
        layer.other = Parameter(start.shape)
        layer.build((None, 1), dtype="float64", seed=0)
        layer.other.data = start
        optimizer = Adafactor([layer.other], 0.1, relative_step=False, clip_threshold=None)
        for gradient in gradients:
            layer.other.grad = gradient
            optimizer.step()
        return layer.other.numpy()

    expected = [trained(start[place], gradients[:, place]) for place in range(4)]
    np.testing.assert_allclose(trained(start, gradients), expected, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_where_there_is_no_gradient_nothing_moves(dtype: str) -> None:
    layer = Dense(3)
    layer.build((None, 2), dtype=dtype, seed=0)
    before = layer.state_dict()
    Adafactor(layer.parameters(), epsilon=1e-30).step()
    assert all((array == before[name]).all() for name, array in layer.state_dict().items())


def test_a_tables_factors_are_over_all_rows_and_none_without_a_gradient_moves() -> None:
    model = Sequential(Embedding(5, 2), Dense(3))
    model.build((None,), dtype="float64", seed=0)
    optimizer = Adafactor(model.parameters())
    before = model.state_dict()["0.w"]
    y, saved = model.forward(np.array([1, 3, 3]))
    model.backward(np.ones_like(y), saved, input_gradient=False)
    optimizer.step()
    moved = (model.state_dict()["0.w"] != before).any(axis=1)
    assert moved.tolist() == [False, True, False, True, False]
    assert optimizer.state_dict()["parameters"]["0.w"]["rows"].shape == (5, 1)


def test_factors_of_another_shape_are_refused(layer: Dense) -> None:
    state = Adafactor(layer.parameters()).state_dict()
    state["parameters"]["w"]["rows"] = np.zeros((2, 3))
    with pytest.raises(CheckpointError) as caught:
        Adafactor(layer.parameters()).load_state_dict(state)
    assert str(caught.value) == "state does not fit Adafactor: w/rows: expected (2, 1), got (2, 3)"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"decay_power": 0}, "expected decay_power to be a number above 0, got 0"),
        ({"epsilon": 0}, "expected epsilon to be a number above 0, got 0"),
        ({"epsilon_step": 0}, "expected epsilon_step to be a number above 0, got 0"),
        ({"relative_step": "no"}, "expected relative_step to be True or False, got 'no'"),
        ({"clip_threshold": 0}, "expected clip_threshold to be a number above 0, got 0"),
        ({"beta1": 1.0}, "expected beta1 to be a number of at least 0 and below 1, got 1.0"),
        ({"weight_decay": -1}, "expected weight_decay to be a number of at least 0, got -1"),
    ],
)
def test_settings_out_of_range_are_refused(layer: Dense, settings: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        Adafactor(layer.parameters(), **settings)
    assert str(caught.value) == f"Adafactor: {message}"


def test_it_prints_what_differs_from_the_defaults(layer: Dense) -> None:
    assert repr(Adafactor(layer.parameters())) == "Adafactor()"
    assert repr(Adafactor(layer.parameters(), 0.5, beta1=0.8)) == "Adafactor(lr=0.5, beta1=0.8)"


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # PyTorch's; it has no first moment, nor a step that is not relative.
    assert defaults(Adafactor) == {
        "lr": 0.01,
        "decay_power": 0.8,
        "epsilon": None,
        "epsilon_step": 0.001,
        "relative_step": True,
        "clip_threshold": 1.0,
        "beta1": 0.0,
        "weight_decay": 0.0,
    }
