"""AdaDelta over several steps, by loops over the printed equations."""

import math
from typing import Any

import numpy as np
import pytest

from lamina.errors import ArgumentError
from lamina.layers import Dense
from lamina.optimizers import AdaDelta

GRADIENTS = np.random.default_rng(0).standard_normal((5, 2, 3))


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize(("rate", "epsilon"), [(1.0, 1e-6), (0.5, 0.25)])
def test_steps_follow_the_equations(layer: Dense, rate: float, epsilon: float, decay: float) -> None:
    optimizer = AdaDelta(layer.parameters(), rate, decay=0.8, epsilon=epsilon, weight_decay=decay)
    expected, a, s = layer.w.numpy(), np.zeros((2, 3)), np.zeros((2, 3))
    for gradient in GRADIENTS:
        layer.w.grad = gradient
        optimizer.step()
        for place in np.ndindex(2, 3):
            g = gradient[place] + decay * expected[place]
            a[place] = 0.8 * a[place] + 0.2 * g * g
            d = math.sqrt(s[place] + epsilon) / math.sqrt(a[place] + epsilon) * g
            s[place] = 0.8 * s[place] + 0.2 * d * d
            expected[place] -= rate * d
        np.testing.assert_allclose(layer.w.data, expected, rtol=1e-12)
        assert (layer.w.grad == gradient).all()  # never written to
    state = optimizer.state_dict()["parameters"]["w"]
    assert set(state) == {"square", "change"}
    np.testing.assert_allclose(state["square"], a, rtol=1e-12)
    np.testing.assert_allclose(state["change"], s, rtol=1e-12)


def test_steps_do_not_depend_on_the_scale_of_the_gradients(layer: Dense) -> None:
    before, moved = layer.w.numpy(), []
    for scale in (1.0, 1e6):
        layer.w.data, optimizer = before, AdaDelta(layer.parameters(), epsilon=1e-30)
        for gradient in GRADIENTS:
            layer.w.grad = scale * gradient
            optimizer.step()
        moved.append(layer.w.numpy() - before)
    np.testing.assert_allclose(moved[0], moved[1], rtol=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"decay": -0.1}, "expected decay to be a number of at least 0 and below 1, got -0.1"),
        ({"epsilon": 0}, "expected epsilon to be a number above 0, got 0"),
        ({"weight_decay": None}, "expected weight_decay to be a number of at least 0, got None"),
    ],
)
def test_settings_out_of_range_are_refused(layer: Dense, settings: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        AdaDelta(layer.parameters(), **settings)
    assert str(caught.value) == f"AdaDelta: {message}"


def test_it_prints_what_differs_from_the_defaults(layer: Dense) -> None:
    assert repr(AdaDelta(layer.parameters())) == "AdaDelta()"
    assert repr(AdaDelta(layer.parameters(), 0.5, decay=0.95)) == "AdaDelta(lr=0.5, decay=0.95)"


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # PyTorch's; the paper has no rate (Zeiler, 2012).
    assert defaults(AdaDelta) == {"lr": 1.0, "decay": 0.9, "epsilon": 1e-06, "weight_decay": 0.0}
