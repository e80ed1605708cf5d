"""RAdam over several steps, by loops over the printed equations."""

import math
from typing import Any

import numpy as np
import pytest

from lamina.errors import ArgumentError
from lamina.layers import Dense
from lamina.optimizers import RAdam

GRADIENTS = np.random.default_rng(0).standard_normal((9, 2, 3))


@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_steps_follow_the_equations(layer: Dense, decay: float, decoupled: bool) -> None:
    """The first five go without the mean of squares, the others with it."""
    settings = {"beta1": 0.8, "beta2": 0.95, "epsilon": 0.25, "weight_decay": decay, "decoupled": decoupled}
    optimizer = RAdam(layer.parameters(), 0.1, **settings)
    expected, m, v = layer.w.numpy(), np.zeros((2, 3)), np.zeros((2, 3))
    most, rectified = 2 / 0.05 - 1, []
    for t, gradient in enumerate(GRADIENTS, 1):
        layer.w.grad = gradient
        optimizer.step()
        n = most - 2 * t * 0.95**t / (1 - 0.95**t)
        rectified.append(n > 5)
        for place in np.ndindex(2, 3):
            g = gradient[place]
            if decoupled:
                expected[place] *= 1 - 0.1 * decay
            else:
                g += decay * expected[place]
            m[place] = 0.8 * m[place] + 0.2 * g
            v[place] = 0.95 * v[place] + 0.05 * g * g
            d = m[place] / (1 - 0.8**t)
            if n > 5:
                d *= math.sqrt((n - 4) * (n - 2) * most / ((most - 4) * (most - 2) * n))
                d *= math.sqrt(1 - 0.95**t) / (math.sqrt(v[place]) + 0.25)
            expected[place] -= 0.1 * d
        np.testing.assert_allclose(layer.w.data, expected, rtol=1e-12)
        assert (layer.w.grad == gradient).all()  # never written to
    assert rectified == [False] * 5 + [True] * 4
    state = optimizer.state_dict()["parameters"]["w"]
    assert set(state) == {"mean", "square"}
    np.testing.assert_allclose(state["square"], v, rtol=1e-12)


@pytest.mark.parametrize("beta2", [0.0, 0.5, 0.6])
def test_a_mean_over_few_steps_is_never_used(layer: Dense, beta2: float) -> None:
    """2 / (1 - beta2) - 1 is at most 4: what would stand under the root is below 0."""
    optimizer = RAdam(layer.parameters(), 0.1, beta1=0.0, beta2=beta2)
    for _ in range(20):
        before = layer.w.numpy()
        layer.w.grad = GRADIENTS[0]
        optimizer.step()
        np.testing.assert_allclose(before - layer.w.data, 0.1 * GRADIENTS[0], rtol=1e-9)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"beta1": 1.0}, "expected beta1 to be a number of at least 0 and below 1, got 1.0"),
        ({"beta2": -0.5}, "expected beta2 to be a number of at least 0 and below 1, got -0.5"),
        ({"epsilon": 0}, "expected epsilon to be a number above 0, got 0"),
        ({"weight_decay": -1}, "expected weight_decay to be a number of at least 0, got -1"),
        ({"decoupled": "no"}, "expected decoupled to be True or False, got 'no'"),
    ],
)
def test_settings_out_of_range_are_refused(layer: Dense, settings: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        RAdam(layer.parameters(), **settings)
    assert str(caught.value) == f"RAdam: {message}"


def test_it_prints_what_differs_from_the_defaults(layer: Dense) -> None:
    assert repr(RAdam(layer.parameters())) == "RAdam()"
    assert repr(RAdam(layer.parameters(), 0.5, beta1=0.8)) == "RAdam(lr=0.5, beta1=0.8)"


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # PyTorch's.
    assert defaults(RAdam) == {
        "lr": 0.001,
        "beta1": 0.9,
        "beta2": 0.999,
        "epsilon": 1e-08,
        "weight_decay": 0.0,
        "decoupled": False,
    }
