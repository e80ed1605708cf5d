"""AdaGrad over several steps, by loops over the printed equations."""

import math
from typing import Any

import numpy as np
import pytest

from lamina.errors import ArgumentError
from lamina.layers import Dense
from lamina.optimizers import AdaGrad

GRADIENTS = np.random.default_rng(0).standard_normal((5, 2, 3))


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("initial", [0.0, 0.1])
@pytest.mark.parametrize("epsilon", [1e-10, 0.5])
def test_steps_follow_the_equations(layer: Dense, epsilon: float, initial: float, decay: float) -> None:
    optimizer = AdaGrad(layer.parameters(), 0.1, epsilon=epsilon, initial_accumulator=initial, weight_decay=decay)
    expected, accumulator = layer.w.numpy(), np.full((2, 3), initial)
    for gradient in GRADIENTS:
        layer.w.grad = gradient
        optimizer.step()
        for place in np.ndindex(2, 3):
            g = gradient[place] + decay * expected[place]
            accumulator[place] += g * g
            expected[place] -= 0.1 * g / (math.sqrt(accumulator[place]) + epsilon)
        np.testing.assert_allclose(layer.w.data, expected, rtol=1e-13)
        assert (layer.w.grad == gradient).all()  # never written to
    np.testing.assert_allclose(optimizer.state_dict()["parameters"]["w"]["accumulator"], accumulator, rtol=1e-13)


def test_a_weight_without_gradients_stays_where_it_is(layer: Dense) -> None:
    before = layer.w.numpy()
    optimizer = AdaGrad(layer.parameters(), 0.1)
    for _ in range(3):
        layer.w.grad = [[1, 0, 0], [0, 0, 0]]
        optimizer.step()
    # Steps of 1 / sqrt(1), 1 / sqrt(2), 1 / sqrt(3).
    moved = before - layer.w.data
    assert moved[0, 0] == pytest.approx(0.1 * (1 + 2**-0.5 + 3**-0.5), rel=1e-9)
    assert (moved.ravel()[1:] == 0).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epsilon": 0}, "expected epsilon to be a number above 0, got 0"),
        ({"epsilon": float("nan")}, "expected epsilon to be a number above 0, got nan"),
        ({"initial_accumulator": -1}, "expected initial_accumulator to be a number of at least 0, got -1"),
        ({"weight_decay": True}, "expected weight_decay to be a number of at least 0, got True"),
    ],
)
def test_settings_out_of_range_are_refused(layer: Dense, settings: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        AdaGrad(layer.parameters(), **settings)
    assert str(caught.value) == f"AdaGrad: {message}"


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # PyTorch's.
    assert defaults(AdaGrad) == {"lr": 0.01, "epsilon": 1e-10, "initial_accumulator": 0.0, "weight_decay": 0.0}
