from typing import Any

import numpy as np
import pytest

from lamina.errors import DTypeError, ShapeError
from lamina.losses.regression import RegressionLoss
from lamina.testing import check_loss


class Squares(RegressionLoss):
    kernel_name = "mean_squared_error"


class Wide(RegressionLoss):
    kernel_name = "huber"

    def __init__(self, delta: float) -> None:
        self.delta = delta

    def kernel_arguments(self, backend: Any, dtype: Any) -> tuple[Any, ...]:
        return (self.delta,)


def test_a_loss_names_its_kernel_and_has_the_rest() -> None:
    assert Squares()(np.array([[1.0, 2.0]]), [[1, 4]]) == 2.0
    report = check_loss(Squares(), (4, 5, 3), backend="numpy")
    assert set(report.skipped) == {"configuration"}


def test_settings_reach_the_kernel() -> None:
    assert Wide(2.0)(np.array([[3.0]]), [[0]]) == 2.0 * (3 - 1)


@pytest.mark.parametrize(
    ("prediction", "target", "error", "message"),
    [
        (np.zeros((2, 3)), np.zeros((2, 2)), ShapeError, "expected targets of shape (2, 3), got (2, 2)"),
        (np.zeros((2, 1)), np.zeros(2), ShapeError, "expected targets of shape (2, 1), got (2,)"),
        (np.zeros(2), np.zeros(2), ShapeError, "expected predictions (batch, ..., features), got (2,)"),
        (np.zeros((1, 2)), [["a", "b"]], DTypeError, "expected numbers as targets, got an array of <U1"),
    ],
)
def test_targets_that_do_not_fit_are_refused(prediction: Any, target: Any, error: Any, message: str) -> None:
    for use in (
        lambda: Squares().forward(prediction, target),
        lambda: Squares().check_target(target, prediction.shape),
    ):
        with pytest.raises(error) as caught:
            use()
        assert str(caught.value) == f"Squares: {message}"
