"""The quantile loss, by hand."""

import math
from typing import Any

import numpy as np
import pytest

from lamina.errors import ArgumentError, ShapeError
from lamina.losses import MeanAbsoluteError, Quantile


def both(loss: Any, prediction: Any, target: Any, **settings: Any) -> tuple[float, Any]:
    prediction = np.array(prediction)
    prediction.flags.writeable = False
    value, saved = loss.forward(prediction, target, **settings)
    return float(value), loss.backward(saved)


def test_above_and_below_weigh_differently() -> None:
    loss, gradient = both(Quantile(0.75), [[1.0], [5.0], [2.0]], [[3.0], [1.0], [2.0]])
    assert loss == pytest.approx((0.75 * 2 + 0.25 * 4 + 0) / 3)
    np.testing.assert_allclose(gradient, [[-0.75 / 3], [0.25 / 3], [0.0]])


def test_several_quantiles_have_a_block_of_features_each() -> None:
    # Quantile 0.1 of both features, then quantile 0.5 of both.
    loss, gradient = both(Quantile([0.1, 0.5]), [[0.0, 4.0, 1.0, 5.0]], [[1.0, 3.0]])
    assert loss == pytest.approx((0.1 * 1 + 0.9 * 1 + 0 + 0.5 * 2) / 4)
    np.testing.assert_allclose(gradient, [[-0.1 / 4, 0.9 / 4, 0.0, 0.5 / 4]])


def test_the_median_is_half_the_absolute_error() -> None:
    prediction, target = np.random.default_rng(0).standard_normal((2, 6, 3))
    assert Quantile()(prediction, target) == pytest.approx(MeanAbsoluteError()(prediction, target) / 2)


def test_its_least_value_is_at_the_quantile() -> None:
    target = np.random.default_rng(1).exponential(size=(999, 1))
    tried = np.sort(target, axis=0)
    found = [Quantile(0.8)(np.broadcast_to(one, target.shape), target) for one in tried]
    assert tried[int(np.argmin(found)), 0] == pytest.approx(np.quantile(target, 0.8), rel=1e-2)


def test_one_quantile_in_a_list_is_one() -> None:
    assert Quantile([0.3])(np.array([[1.0, 2.0]]), [[2.0, 4.0]]) == Quantile(0.3)(np.array([[1.0, 2.0]]), [[2.0, 4.0]])


@pytest.mark.parametrize(
    ("prediction", "target", "message"),
    [
        ((2, 3), (2, 3), "expected predictions (batch, ..., 2 quantiles * features), got (2, 3)"),
        ((2,), (2,), "expected predictions (batch, ..., 2 quantiles * features), got (2,)"),
        ((2, 4), (2, 4), "expected targets of shape (2, 2), for predictions (2, 4) of 2 quantiles, got (2, 4)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(prediction: Any, target: Any, message: str) -> None:
    with pytest.raises(ShapeError) as caught:
        Quantile([0.1, 0.9]).forward(np.zeros(prediction), np.zeros(target))
    assert str(caught.value) == f"Quantile: {message}"


@pytest.mark.parametrize("quantiles", [0, 1.0, -0.5, math.nan, "0.5", [0.1, 1], [], [[0.5]], None])
def test_quantiles_out_of_range_are_refused(quantiles: Any) -> None:
    with pytest.raises(ArgumentError, match=r"^Quantile: expected .*quantile"):
        Quantile(quantiles)


def test_it_prints_as_it_was_made() -> None:
    assert (repr(Quantile()), repr(Quantile(0.9))) == ("Quantile()", "Quantile(quantiles=0.9)")
    assert repr(Quantile(np.array([0.25, 0.75]))) == "Quantile(quantiles=[0.25, 0.75])"  # type: ignore[arg-type]


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # The median.
    assert defaults(Quantile) == {"quantiles": 0.5, "reduction": "mean"}
