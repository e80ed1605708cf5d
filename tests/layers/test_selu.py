"""SELU; its kernel is proven in backends/generic."""

import numpy as np

import lamina
from lamina.initializers import Normal
from lamina.layers import SELU, Dense


def test_values_and_slopes_by_hand() -> None:
    layer = SELU()
    layer.build((None, 4), dtype="float64")
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    y, saved = layer.forward(np.array([[-np.inf, -np.log(4), 0.0, 3.0]]))
    np.testing.assert_allclose(y, [[-alpha * scale, -0.75 * alpha * scale, 0, 3 * scale]], rtol=1e-14)
    dx = layer.backward(np.full((1, 4), 2.0), saved)
    np.testing.assert_allclose(dx, [[0, 0.5 * alpha * scale, 2 * alpha * scale, 2 * scale]], rtol=1e-14)


def test_through_ten_layers_mean_and_variance_stay_near_0_and_1() -> None:
    """That is what its two constants are for."""
    layers = [one for _ in range(10) for one in (Dense(256, w_initializer=Normal(1 / 16)), SELU())]
    model = lamina.Sequential(*layers)
    model.build((None, 256), seed=0)
    y = model(np.random.default_rng(0).standard_normal((512, 256)))
    assert abs(y.mean()) < 0.1
    assert 0.8 < y.var() < 1.2
