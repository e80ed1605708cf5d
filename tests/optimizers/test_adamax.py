"""Adamax over several steps, by loops over the printed equations."""

import math
from typing import Any

import numpy as np
import pytest

from lamina.errors import ArgumentError
from lamina.layers import Dense
from lamina.optimizers import Adamax

GRADIENTS = np.random.default_rng(0).standard_normal((5, 2, 3))


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("epsilon", [1e-8, 0.25])
def test_steps_follow_the_equations(layer: Dense, epsilon: float, decay: float) -> None:
    optimizer = Adamax(layer.parameters(), 0.1, beta1=0.8, beta2=0.7, epsilon=epsilon, weight_decay=decay)
    expected, m, u = layer.w.numpy(), np.zeros((2, 3)), np.zeros((2, 3))
    for t, gradient in enumerate(GRADIENTS, 1):
        layer.w.grad = gradient
        optimizer.step()
        for place in np.ndindex(2, 3):
            g = gradient[place] + decay * expected[place]
            m[place] = 0.8 * m[place] + 0.2 * g
            u[place] = max(0.7 * u[place], abs(g) + epsilon)
            expected[place] -= 0.1 / (1 - 0.8**t) * m[place] / u[place]
        np.testing.assert_allclose(layer.w.data, expected, rtol=1e-12)
        assert (layer.w.grad == gradient).all()  # never written to
    state = optimizer.state_dict()["parameters"]["w"]
    assert set(state) == {"mean", "largest"}
    np.testing.assert_allclose(state["mean"], m, rtol=1e-12)
    np.testing.assert_allclose(state["largest"], u, rtol=1e-12)


@pytest.mark.parametrize("size", [1e-4, 1.0, 1e4])
def test_the_first_step_is_as_long_as_the_rate(layer: Dense, size: float) -> None:
    before = layer.w.numpy()
    layer.w.grad = np.full((2, 3), -size)
    Adamax(layer.parameters(), 0.1, epsilon=1e-15).step()
    assert math.isclose(float((layer.w.data - before).min()), 0.1, rel_tol=1e-9)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"beta1": 1.0}, "expected beta1 to be a number of at least 0 and below 1, got 1.0"),
        ({"beta2": -0.5}, "expected beta2 to be a number of at least 0 and below 1, got -0.5"),
        ({"epsilon": 0}, "expected epsilon to be a number above 0, got 0"),
        ({"weight_decay": -1}, "expected weight_decay to be a number of at least 0, got -1"),
    ],
)
def test_settings_out_of_range_are_refused(layer: Dense, settings: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        Adamax(layer.parameters(), **settings)
    assert str(caught.value) == f"Adamax: {message}"


def test_it_prints_what_differs_from_the_defaults(layer: Dense) -> None:
    assert repr(Adamax(layer.parameters())) == "Adamax()"
    assert repr(Adamax(layer.parameters(), 0.5, beta1=0.8)) == "Adamax(lr=0.5, beta1=0.8)"


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # The paper's and PyTorch's.
    assert defaults(Adamax) == {"lr": 0.002, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-08, "weight_decay": 0.0}
