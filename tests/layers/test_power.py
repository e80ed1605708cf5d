"""Power."""

import warnings

import numpy as np
import pytest

from lamina.errors import ArgumentError
from lamina.layers import Power

X = np.array([[0.5, 2.0]])


@pytest.mark.parametrize(
    ("exponent", "value", "slope"),
    [(2, [0.25, 4], [1, 4]), (-1, [2, 0.5], [-4, -0.25]), (0.5, X[0] ** 0.5, 0.5 / X[0] ** 0.5), (1, X[0], [1, 1])],
)
def test_the_power_and_its_gradient(exponent: float, value: list[float], slope: list[float]) -> None:
    layer = Power(exponent)
    layer.build((None, 2), dtype="float64")
    y, saved = layer.forward(X)
    np.testing.assert_allclose(y[0], value, rtol=1e-15)
    np.testing.assert_allclose(layer.backward(np.array([[1.0, 3.0]]), saved)[0], np.array(slope) * [1, 3], rtol=1e-15)


def test_0_has_a_square_and_a_slope_and_so_has_the_power_of_0() -> None:
    for exponent, value in ((2, 0), (0, 1)):
        layer = Power(exponent)
        layer.build((None, 1), dtype="float64")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            y, saved = layer.forward(np.zeros((1, 1)))
            assert (y.item(), layer.backward(np.ones((1, 1)), saved).item()) == (value, 0)


@pytest.mark.parametrize("exponent", [-1, 0.5, -2.5])
def test_padding_is_not_raised_to_it(exponent: float) -> None:
    layer = Power(exponent)
    layer.build((None, None, 1), dtype="float64")
    x = np.array([[[4.0], [4.0]], [[4.0], [0.0]]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y, saved = layer.forward(x, lengths=[2, 1])
        dx = layer.backward(np.ones_like(y), saved)
    assert y[..., 0].tolist() == [[4**exponent] * 2, [4**exponent, 0]]
    assert dx[1, 1] == 0 and dx[1, 0] == dx[0, 0] == exponent * 4 ** (exponent - 1)


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"^Power: expected exponent to be a number that is finite, got None$"):
        Power(None)  # type: ignore[arg-type]
