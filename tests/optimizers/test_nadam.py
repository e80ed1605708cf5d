"""NAdam over several steps, by loops over the printed equations."""

import math
from typing import Any

import numpy as np
import pytest

from lamina.errors import ArgumentError
from lamina.layers import Dense
from lamina.optimizers import NAdam

GRADIENTS = np.random.default_rng(0).standard_normal((5, 2, 3))


@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_steps_follow_the_equations(layer: Dense, decay: float, decoupled: bool) -> None:
    optimizer = NAdam(
        layer.parameters(), 0.1, beta1=0.8, beta2=0.95, epsilon=0.25, momentum_decay=2.0, weight_decay=decay,
        decoupled=decoupled,
    )  # fmt: skip
    expected, m, v = layer.w.numpy(), np.zeros((2, 3)), np.zeros((2, 3))
    momentum = [0.8 * (1 - 0.96 ** (2.0 * t) / 2) for t in range(10)]
    for t, gradient in enumerate(GRADIENTS, 1):
        layer.w.grad = gradient
        optimizer.step()
        p = math.prod(momentum[1 : t + 1])
        for place in np.ndindex(2, 3):
            g = gradient[place]
            if decoupled:
                expected[place] *= 1 - 0.1 * decay
            else:
                g += decay * expected[place]
            m[place] = 0.8 * m[place] + 0.2 * g
            v[place] = 0.95 * v[place] + 0.05 * g * g
            d = (1 - momentum[t]) / (1 - p) * g + momentum[t + 1] / (1 - p * momentum[t + 1]) * m[place]
            expected[place] -= 0.1 * d / (math.sqrt(v[place] / (1 - 0.95**t)) + 0.25)
        np.testing.assert_allclose(layer.w.data, expected, rtol=1e-12)
        assert (layer.w.grad == gradient).all()  # never written to
    state = optimizer.state_dict()["parameters"]["w"]
    assert set(state) == {"mean", "square"}
    np.testing.assert_allclose(state["mean"], m, rtol=1e-12)
    np.testing.assert_allclose(state["square"], v, rtol=1e-12)


def test_the_product_of_momenta_comes_with_the_state(layer: Dense) -> None:
    optimizer = NAdam(layer.parameters(), momentum_decay=1.0)
    for _ in range(3):
        optimizer.step()
    state = optimizer.state_dict()
    product = math.prod(0.9 * (1 - 0.96**t / 2) for t in (1, 2, 3))
    assert state["kept"][""] == {"counted": 3, "momentum_product": pytest.approx(product, rel=1e-14)}
    other = NAdam(layer.parameters(), momentum_decay=1.0)
    other.load_state_dict(state)
    other.step()
    assert other.momentum_product == pytest.approx(product * 0.9 * (1 - 0.96**4 / 2), rel=1e-14)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"beta1": 1.0}, "expected beta1 to be a number of at least 0 and below 1, got 1.0"),
        ({"beta2": -0.5}, "expected beta2 to be a number of at least 0 and below 1, got -0.5"),
        ({"epsilon": 0}, "expected epsilon to be a number above 0, got 0"),
        ({"weight_decay": -1}, "expected weight_decay to be a number of at least 0, got -1"),
        ({"decoupled": "no"}, "expected decoupled to be True or False, got 'no'"),
        ({"momentum_decay": -1}, "expected momentum_decay to be a number of at least 0, got -1"),
    ],
)
def test_settings_out_of_range_are_refused(layer: Dense, settings: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        NAdam(layer.parameters(), **settings)
    assert str(caught.value) == f"NAdam: {message}"


def test_it_prints_what_differs_from_the_defaults(layer: Dense) -> None:
    assert repr(NAdam(layer.parameters())) == "NAdam()"
    assert repr(NAdam(layer.parameters(), 0.5, beta1=0.8)) == "NAdam(lr=0.5, beta1=0.8)"


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # PyTorch's.
    assert defaults(NAdam) == {
        "lr": 0.002,
        "beta1": 0.9,
        "beta2": 0.999,
        "epsilon": 1e-08,
        "momentum_decay": 0.004,
        "weight_decay": 0.0,
        "decoupled": False,
    }
