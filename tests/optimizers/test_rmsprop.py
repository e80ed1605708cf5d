"""RMSprop over several steps, by loops over the printed equations."""

import math
from typing import Any

import numpy as np
import pytest

from lamina.errors import ArgumentError
from lamina.layers import Dense
from lamina.optimizers import RMSprop

GRADIENTS = np.random.default_rng(0).standard_normal((5, 2, 3))


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("centered", [False, True])
def test_steps_follow_the_equations(layer: Dense, centered: bool, momentum: float, decay: float) -> None:
    optimizer = RMSprop(
        layer.parameters(), 0.1, decay=0.8, epsilon=0.25, centered=centered, momentum=momentum, weight_decay=decay
    )
    expected, a, m, v = layer.w.numpy(), np.zeros((2, 3)), np.zeros((2, 3)), np.zeros((2, 3))
    for gradient in GRADIENTS:
        layer.w.grad = gradient
        optimizer.step()
        for place in np.ndindex(2, 3):
            g = gradient[place] + decay * expected[place]
            a[place] = 0.8 * a[place] + 0.2 * g * g
            m[place] = 0.8 * m[place] + 0.2 * g if centered else 0
            v[place] = momentum * v[place] + g / (math.sqrt(a[place] - m[place] ** 2) + 0.25)
            expected[place] -= 0.1 * v[place]
        np.testing.assert_allclose(layer.w.data, expected, rtol=1e-12)
        assert (layer.w.grad == gradient).all()  # never written to
    state = optimizer.state_dict()["parameters"]["w"]
    kept = {"square": a} | ({"mean": m} if centered else {}) | ({"velocity": v} if momentum else {})
    assert set(state) == set(kept)
    for name, array in kept.items():
        np.testing.assert_allclose(state[name], array, rtol=1e-12)


def test_a_constant_gradient_leaves_no_variance_below_zero() -> None:
    layer = Dense(300, use_bias=False)
    layer.build((None, 1), seed=0)
    optimizer = RMSprop(layer.parameters(), 1e-3, decay=0.5, centered=True)
    gradient = np.linspace(0.1, 3.0, 300, dtype="float32")[None]
    for _ in range(60):  # by then a and m^2 differ by rounding alone
        layer.w.grad = gradient
        optimizer.step()
    assert np.isfinite(layer.w.data).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"decay": 1.0}, "expected decay to be a number of at least 0 and below 1, got 1.0"),
        ({"epsilon": 0}, "expected epsilon to be a number above 0, got 0"),
        ({"momentum": -0.1}, "expected momentum to be a number of at least 0 and below 1, got -0.1"),
        ({"weight_decay": True}, "expected weight_decay to be a number of at least 0, got True"),
    ],
)
def test_settings_out_of_range_are_refused(layer: Dense, settings: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        RMSprop(layer.parameters(), **settings)
    assert str(caught.value) == f"RMSprop: {message}"


def test_it_prints_what_differs_from_the_defaults(layer: Dense) -> None:
    assert repr(RMSprop(layer.parameters())) == "RMSprop()"
    assert (
        repr(RMSprop(layer.parameters(), 0.5, centered=True, momentum=0.9))
        == "RMSprop(lr=0.5, centered=True, momentum=0.9)"
    )


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # PyTorch's.
    assert defaults(RMSprop) == {
        "lr": 0.01,
        "decay": 0.99,
        "epsilon": 1e-08,
        "centered": False,
        "momentum": 0.0,
        "weight_decay": 0.0,
    }
