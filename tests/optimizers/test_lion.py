"""Lion over several steps, by loops over the printed equations."""

import math
from typing import Any

import numpy as np
import pytest

from lamina.errors import ArgumentError
from lamina.layers import Dense
from lamina.optimizers import Lion

GRADIENTS = np.random.default_rng(0).standard_normal((5, 2, 3))


@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_steps_follow_the_equations(layer: Dense, decay: float) -> None:
    optimizer = Lion(layer.parameters(), 0.1, beta1=0.6, beta2=0.8, weight_decay=decay)
    expected, m = layer.w.numpy(), np.zeros((2, 3))
    for gradient in GRADIENTS:
        layer.w.grad = gradient
        optimizer.step()
        for place in np.ndindex(2, 3):
            c = 0.6 * m[place] + 0.4 * gradient[place]
            expected[place] -= 0.1 * (math.copysign(1, c) + decay * expected[place])
            m[place] = 0.8 * m[place] + 0.2 * gradient[place]
        np.testing.assert_allclose(layer.w.data, expected, rtol=1e-12)
        assert (layer.w.grad == gradient).all()  # never written to
    state = optimizer.state_dict()["parameters"]["w"]
    assert set(state) == {"mean"}
    np.testing.assert_allclose(state["mean"], m, rtol=1e-12)


def test_where_there_never_was_a_gradient_nothing_moves(layer: Dense) -> None:
    before = layer.w.numpy()
    layer.w.grad = [[1e-30, 0.0, -1e30], [0.0, 0.0, 0.0]]
    Lion(layer.parameters(), 0.1).step()
    np.testing.assert_allclose(before - layer.w.data, [[0.1, 0, -0.1], [0, 0, 0]], atol=1e-15)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"beta1": 1.0}, "expected beta1 to be a number of at least 0 and below 1, got 1.0"),
        ({"beta2": -0.5}, "expected beta2 to be a number of at least 0 and below 1, got -0.5"),
        ({"weight_decay": -1}, "expected weight_decay to be a number of at least 0, got -1"),
    ],
)
def test_settings_out_of_range_are_refused(layer: Dense, settings: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        Lion(layer.parameters(), **settings)
    assert str(caught.value) == f"Lion: {message}"


def test_it_prints_what_differs_from_the_defaults(layer: Dense) -> None:
    assert repr(Lion(layer.parameters())) == "Lion()"
    assert repr(Lion(layer.parameters(), 0.5, beta1=0.8)) == "Lion(lr=0.5, beta1=0.8)"


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # The paper's betas (Chen et al., 2023), and the rate of its largest models.
    assert defaults(Lion) == {"lr": 0.0001, "beta1": 0.9, "beta2": 0.99, "weight_decay": 0.0}
