"""The Gaussian negative log-likelihood, by hand."""

import math
from typing import Any

import numpy as np
import pytest

from lamina.errors import ArgumentError, ShapeError
from lamina.losses import GaussianNegativeLogLikelihood


def both(prediction: Any, target: Any, loss: Any = None, **settings: Any) -> tuple[float, Any]:
    loss, prediction = loss or GaussianNegativeLogLikelihood(epsilon=1e-12), np.array(prediction)
    prediction.flags.writeable = False
    value, saved = loss.forward(prediction, target, **settings)
    return float(value), loss.backward(saved)


def test_the_means_come_first_and_then_the_logarithms_of_the_variances() -> None:
    # Means 1 and 2, variances 4 and 1, targets 3 and 2: ((log 4 + 2^2 / 4) + (0 + 0)) / 2 / 2.
    loss, gradient = both([[1.0, 2.0, math.log(4), 0.0]], [[3.0, 2.0]])
    assert loss == pytest.approx((math.log(4) + 1) / 4)
    # d means = (mean - target) / v / 2; d s = (1 - d^2 / v) / 2 / 2.
    np.testing.assert_allclose(gradient, [[-2 / 4 / 2, 0, (1 - 1) / 4, 1 / 4]], atol=1e-12)


def test_the_variance_is_never_below_epsilon() -> None:
    loss, gradient = both([[0.0, -1e4]], [[2.0]], GaussianNegativeLogLikelihood(epsilon=0.5))
    assert loss == pytest.approx((math.log(0.5) + 4 / 0.5) / 2)
    np.testing.assert_allclose(gradient, [[-2 / 0.5, 0.0]], atol=1e-12)


def test_the_constant_may_be_added() -> None:
    full = GaussianNegativeLogLikelihood(full=True, epsilon=1e-12)
    # -log of the normal density at 1, of mean 0 and variance 1.
    assert both([[0.0, 0.0]], [[1.0]], full)[0] == pytest.approx(-math.log(math.exp(-0.5) / math.sqrt(2 * math.pi)))


@pytest.mark.parametrize(
    ("mean", "log_variance", "loss", "gradient"),
    [
        # (s + d^2 exp(-s)) / 2 with s of at least log(1e-6); its slopes d exp(-s) and (1 - d^2 exp(-s)) / 2.
        (1e4, 0.0, 0.5e8, [1e4, 0.5 - 0.5e8]),
        (1e4, 1e4, 5e3, [0.0, 0.5]),
        (-1e4, -1e4, (math.log(1e-6) + 1e14) / 2, [-1e10, 0.0]),
        (0.0, -1e4, math.log(1e-6) / 2, [0.0, 0.0]),
        (0.0, 1e4, 5e3, [0.0, 0.5]),
    ],
)
@pytest.mark.filterwarnings("error")
def test_extremes_in_float32(mean: float, log_variance: float, loss: float, gradient: list[float]) -> None:
    got = both(np.array([[mean, log_variance]], np.float32), [[0.0]], GaussianNegativeLogLikelihood())
    assert got[0] == pytest.approx(loss, rel=1e-5)
    np.testing.assert_allclose(got[1], [gradient], rtol=1e-5, atol=1e-30)


@pytest.mark.parametrize(
    ("prediction", "target", "message"),
    [
        (
            (2, 3),
            (2, 1),
            "expected predictions (batch, ..., 2 features), means and then logarithms of variances, got (2, 3)",
        ),
        ((4,), (2,), "expected predictions (batch, ..., 2 features), means and then logarithms of variances, got (4,)"),
        (
            (2, 4),
            (2, 4),
            "expected targets of shape (2, 2), half the predictions' (2, 4), which are means and then logarithms of "
            "variances, got (2, 4)",
        ),
    ],
)
def test_shapes_that_do_not_fit_are_refused(prediction: Any, target: Any, message: str) -> None:
    with pytest.raises(ShapeError) as caught:
        GaussianNegativeLogLikelihood().forward(np.zeros(prediction), np.zeros(target))
    assert str(caught.value) == f"GaussianNegativeLogLikelihood: {message}"


@pytest.mark.parametrize("epsilon", [0, -1.0, math.nan, "1"])
def test_settings_out_of_range_are_refused(epsilon: Any) -> None:
    with pytest.raises(ArgumentError, match="expected epsilon to be a number above 0, got "):
        GaussianNegativeLogLikelihood(epsilon=epsilon)
    with pytest.raises(ArgumentError, match="expected full to be True or False, got 'yes'"):
        GaussianNegativeLogLikelihood("yes")  # type: ignore[arg-type]


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # PyTorch's.
    assert defaults(GaussianNegativeLogLikelihood) == {"full": False, "epsilon": 1e-06, "reduction": "mean"}
