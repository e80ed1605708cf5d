"""AMSGrad over several steps, by loops over the printed equations."""

import math
from typing import Any

import numpy as np
import pytest

from lamina.errors import ArgumentError
from lamina.layers import Dense
from lamina.optimizers import Adam, AMSGrad

GRADIENTS = np.random.default_rng(0).standard_normal((5, 2, 3))


@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("epsilon", [1e-8, 0.25])
def test_steps_follow_the_equations(layer: Dense, epsilon: float, decay: float, decoupled: bool) -> None:
    settings = {"beta1": 0.8, "beta2": 0.95, "epsilon": epsilon, "weight_decay": decay, "decoupled": decoupled}
    optimizer = AMSGrad(layer.parameters(), 0.1, **settings)
    expected, m, v, u = layer.w.numpy(), np.zeros((2, 3)), np.zeros((2, 3)), np.zeros((2, 3))
    for t, gradient in enumerate(GRADIENTS, 1):
        layer.w.grad = gradient
        optimizer.step()
        for place in np.ndindex(2, 3):
            g = gradient[place]
            if decoupled:
                expected[place] *= 1 - 0.1 * decay
            else:
                g += decay * expected[place]
            m[place] = 0.8 * m[place] + 0.2 * g
            v[place] = 0.95 * v[place] + 0.05 * g * g
            u[place] = max(u[place], v[place])
            m_hat, v_hat = m[place] / (1 - 0.8**t), u[place] / (1 - 0.95**t)
            expected[place] -= 0.1 * m_hat / (math.sqrt(v_hat) + epsilon)
        np.testing.assert_allclose(layer.w.data, expected, rtol=1e-12)
        assert (layer.w.grad == gradient).all()  # never written to
    state = optimizer.state_dict()["parameters"]["w"]
    assert set(state) == {"mean", "square", "largest"}
    np.testing.assert_allclose(state["mean"], m, rtol=1e-12)
    np.testing.assert_allclose(state["square"], v, rtol=1e-12)
    np.testing.assert_allclose(state["largest"], u, rtol=1e-12)


def test_it_remembers_the_largest_gradients(layer: Dense) -> None:
    moved = []
    for cls in (Adam, AMSGrad):
        optimizer = cls(layer.parameters(), 0.1, beta1=0.0, beta2=0.5)
        for size in (100.0, *[1.0] * 20):
            before = layer.w.numpy()
            layer.w.grad = np.full((2, 3), size)
            optimizer.step()
        moved.append(float((before - layer.w.data)[0, 0]))
    assert moved[0] == pytest.approx(0.1, rel=0.01)  # Adam's has forgotten the large one
    assert moved[1] == pytest.approx(0.1 / math.sqrt(5000), rel=0.01)  # u = 0.5 * 100^2


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
        AMSGrad(layer.parameters(), **settings)
    assert str(caught.value) == f"AMSGrad: {message}"


def test_it_prints_what_differs_from_the_defaults(layer: Dense) -> None:
    assert repr(AMSGrad(layer.parameters())) == "AMSGrad()"
    assert repr(AMSGrad(layer.parameters(), 0.5, beta1=0.8)) == "AMSGrad(lr=0.5, beta1=0.8)"


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # Adam's, as in PyTorch.
    assert defaults(AMSGrad) == {
        "lr": 0.001,
        "beta1": 0.9,
        "beta2": 0.999,
        "epsilon": 1e-08,
        "weight_decay": 0.0,
        "decoupled": False,
    }
