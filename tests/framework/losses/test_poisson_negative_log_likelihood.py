"""The Poisson negative log-likelihood, by hand."""

import math
from typing import Any

import numpy as np
import pytest

from lamina.errors import ArgumentError, DataError
from lamina.losses import PoissonNegativeLogLikelihood


def both(prediction: Any, target: Any, loss: Any = None, **settings: Any) -> tuple[float, Any]:
    loss, prediction = loss or PoissonNegativeLogLikelihood(), np.array(prediction)
    prediction.flags.writeable = False
    value, saved = loss.forward(prediction, target, **settings)
    return float(value), loss.backward(saved)


def test_predictions_are_logarithms_of_rates() -> None:
    loss, gradient = both([[math.log(2), 0.0]], [[3, 0]])
    assert loss == pytest.approx((2 - 3 * math.log(2) + 1) / 2)
    np.testing.assert_allclose(gradient, [[(2 - 3) / 2, 1 / 2]])


def test_or_the_rates_themselves() -> None:
    rates = PoissonNegativeLogLikelihood(log_input=False, epsilon=1e-12)
    loss, gradient = both([[2.0, 4.0]], [[3, 0]], rates)
    assert loss == pytest.approx((2 - 3 * math.log(2) + 4) / 2)
    np.testing.assert_allclose(gradient, [[(1 - 3 / 2) / 2, 1 / 2]])


def test_a_rate_below_zero_counts_as_zero() -> None:
    loss, gradient = both([[-1.0]], [[2]], PoissonNegativeLogLikelihood(False, epsilon=0.5))
    assert (loss, gradient.tolist()) == (-2 * math.log(0.5), [[0.0]])


def test_the_logarithm_of_the_factorial_may_be_added() -> None:
    full = PoissonNegativeLogLikelihood(full=True)
    # Stirling's approximation of log(100!) errs by 1 / 1200; none is added for targets up to 1.
    likelihood = -(100 * math.log(90) - 90 - math.lgamma(101))
    assert both([[math.log(90)]], [[100]], full)[0] == pytest.approx(likelihood, abs=1e-3)
    assert both([[0.0]], [[1]], full) == both([[0.0]], [[1]])


def test_extremes_in_float32() -> None:
    with np.errstate(over="ignore"):
        loss, gradient = both(np.array([[1e4], [-1e4], [-1e4]], np.float32), [[1], [2], [0]])
    assert loss == math.inf  # exp(1e4) is
    assert gradient.tolist() == [[math.inf], [np.float32(-2 / 3)], [0.0]]
    assert both(np.array([[-1e4], [-np.inf]], np.float32), [[2], [0]])[0] == 1e4


def test_targets_below_zero_are_refused_where_they_count() -> None:
    prediction, target = np.zeros((2, 2)), np.array([[1, 2], [0, -1]])
    with pytest.raises(DataError) as caught:
        both(prediction, target)
    assert str(caught.value) == "PoissonNegativeLogLikelihood: expected targets of 0 or more, got -1 at index (1, 1)"
    assert both(prediction, target, mask=[1, 0])[0] == 1.0


@pytest.mark.parametrize("settings", [{"log_input": 2}, {"full": None}, {"epsilon": 0}, {"epsilon": math.inf}])
def test_settings_out_of_range_are_refused(settings: Any) -> None:
    (name,) = settings
    with pytest.raises(ArgumentError, match=f"^PoissonNegativeLogLikelihood: expected {name} to be "):
        PoissonNegativeLogLikelihood(**settings)


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # PyTorch's.
    assert defaults(PoissonNegativeLogLikelihood) == {
        "log_input": True,
        "full": False,
        "epsilon": 1e-08,
        "reduction": "mean",
    }
