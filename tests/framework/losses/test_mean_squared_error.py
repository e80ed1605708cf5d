"""Mean squared error, by hand."""

from typing import Any

import numpy as np
import pytest

import lamina
from lamina.errors import DTypeError, ShapeError
from lamina.losses import MeanSquaredError


@pytest.fixture(params=["numpy", "reference"], autouse=True)
def backend(request: pytest.FixtureRequest) -> Any:
    with lamina.use_backend(request.param):
        yield


def both(prediction: Any, target: Any, **settings: Any) -> tuple[float, list]:
    loss, prediction = MeanSquaredError(), np.array(prediction)
    prediction.flags.writeable = False
    value, saved = loss.forward(prediction, target, **settings)
    return float(value), loss.backward(saved).tolist()


def test_it_is_the_mean_over_features_and_rows() -> None:
    # ((1 - 0)^2 + (2 - 4)^2) / 2 = 2.5 and ((3 - 3)^2 + (5 - 1)^2) / 2 = 8
    loss, gradient = both([[1.0, 2.0], [3.0, 5.0]], [[0.0, 4.0], [3.0, 1.0]])
    assert loss == (2.5 + 8) / 2
    assert gradient == [[0.5, -1.0], [0.0, 2.0]]


@pytest.mark.parametrize("target", [[[0, 4]], np.array([[0, 4]], "int8"), np.array([[0.0, 4.0]], "float32")])
def test_targets_may_be_numbers_of_any_kind(target: Any) -> None:
    assert both([[1.0, 2.0]], target) == (2.5, [[1.0, -2.0]])


def test_steps_past_a_rows_end_do_not_count_whatever_stands_there() -> None:
    prediction = [[[1.0], [np.nan]], [[2.0], [3.0]]]
    target = [[[0.0], [7.0]], [[0.0], [np.inf]]]
    loss, gradient = both(prediction, target, lengths=[1, 1])
    assert loss == (1 + 4) / 2
    assert gradient == [[[1], [0]], [[2], [0]]]


def test_a_mask_weighs_rows_or_steps() -> None:
    assert both([[2.0], [1.0]], [[0.0], [0.0]], mask=[0.5, 1.5]) == (0.5 / 2 * 4 + 1.5 / 2, [[1], [1.5]])
    loss, gradient = both([[[2.0], [1.0]]], [[[0.0], [0.0]]], mask=[[0, 3]])
    assert (loss, gradient) == (1, [[[0], [2]]])


@pytest.mark.parametrize("settings", [{"lengths": [0, 0]}, {"mask": [0, 0]}, {"mask": [[0, 0], [0, 0]]}])
def test_where_nothing_counts_loss_and_gradient_are_zero(settings: Any) -> None:
    assert both(np.full((2, 2, 1), 5.0), np.full((2, 2, 1), np.nan), **settings) == (0, np.zeros((2, 2, 1)).tolist())


@pytest.mark.parametrize(
    ("prediction", "target", "error", "message"),
    [
        (np.zeros((2, 3)), np.zeros((2, 2)), ShapeError, "expected targets of shape (2, 3), got (2, 2)"),
        (np.zeros((2, 3)), np.zeros(2), ShapeError, "expected targets of shape (2, 3), got (2,)"),
        (np.zeros((2, 1)), np.zeros(2), ShapeError, "expected targets of shape (2, 1), got (2,)"),
        (np.zeros(2), np.zeros(2), ShapeError, "expected predictions (batch, ..., features), got (2,)"),
        (np.zeros((1, 2)), [["a", "b"]], DTypeError, "expected numbers as targets, got an array of <U1"),
        (np.zeros((1, 2)), [[None, 1]], DTypeError, "expected numbers as targets, got an array of object"),
        (
            np.zeros((1, 2)),
            np.zeros((1, 2), complex),
            DTypeError,
            "expected numbers as targets, got an array of complex128",
        ),
    ],
)
def test_targets_that_do_not_fit_are_refused(prediction: Any, target: Any, error: Any, message: str) -> None:
    for use in (
        lambda: MeanSquaredError().forward(prediction, target),
        lambda: MeanSquaredError().check_target(target, prediction.shape),
    ):
        with pytest.raises(error) as caught:
            use()
        assert str(caught.value) == f"MeanSquaredError: {message}"


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(MeanSquaredError) == {"reduction": "mean"}
