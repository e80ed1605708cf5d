"""SGD over several steps, by loops over the printed equations."""

from typing import Any

import numpy as np
import pytest

from lamina.errors import ArgumentError
from lamina.layers import Dense
from lamina.optimizers import SGD

GRADIENTS = np.random.default_rng(0).standard_normal((5, 2, 3))


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.9, False), (0.9, True)])
@pytest.mark.parametrize("rates", [[0.1] * 5, [0.1, 0.1, 0.05, 0.02, 0.3]])
def test_steps_follow_the_equations(
    layer: Dense, momentum: float, nesterov: bool, decay: float, rates: list[float]
) -> None:
    optimizer = SGD(layer.parameters(), rates[0], momentum=momentum, nesterov=nesterov, weight_decay=decay)
    expected, velocity = layer.w.numpy(), np.zeros((2, 3))
    for gradient, rate in zip(GRADIENTS, rates, strict=True):
        optimizer.lr = rate
        layer.w.grad = gradient
        optimizer.step()
        for place in np.ndindex(2, 3):
            g = gradient[place] + decay * expected[place]
            velocity[place] = momentum * velocity[place] + g
            step = g + momentum * velocity[place] if nesterov else velocity[place] if momentum else g
            expected[place] -= rate * step
        np.testing.assert_allclose(layer.w.data, expected, rtol=1e-13)
        assert (layer.w.grad == gradient).all()  # never written to
    state = optimizer.state_dict()["parameters"]["w"]
    assert set(state) == ({"velocity"} if momentum else set())
    if momentum:
        np.testing.assert_allclose(state["velocity"], velocity, rtol=1e-13)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"momentum": 1.0}, "expected momentum to be a number of at least 0 and below 1, got 1.0"),
        ({"momentum": -0.1}, "expected momentum to be a number of at least 0 and below 1, got -0.1"),
        ({"momentum": "0.9"}, "expected momentum to be a number of at least 0 and below 1, got '0.9'"),
        ({"momentum": None}, "expected momentum to be a number of at least 0 and below 1, got None"),
        ({"weight_decay": -1e-4}, "expected weight_decay to be a number of at least 0, got -0.0001"),
        ({"weight_decay": float("inf")}, "expected weight_decay to be a number of at least 0, got inf"),
        ({"nesterov": True}, "nesterov needs a momentum above 0"),
    ],
)
def test_settings_out_of_range_are_refused(layer: Dense, settings: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        SGD(layer.parameters(), 0.1, **settings)
    assert str(caught.value) == f"SGD: {message}"


def test_it_prints_what_differs_from_the_defaults(layer: Dense) -> None:
    assert repr(SGD(layer.parameters())) == "SGD()"
    assert repr(SGD(layer.parameters(), 0.5, momentum=0.9, nesterov=True, clip_norm=1.0)) == (
        "SGD(lr=0.5, momentum=0.9, nesterov=True, clip_norm=1.0)"
    )


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # Keras's.
    assert defaults(SGD) == {"lr": 0.01, "momentum": 0.0, "nesterov": False, "weight_decay": 0.0}
