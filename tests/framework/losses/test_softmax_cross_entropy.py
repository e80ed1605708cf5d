"""Softmax cross-entropy, by hand."""

import math
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.errors import ArgumentError, DataError, DTypeError, ShapeError
from lamina.losses import SoftmaxCrossEntropy

LOG = math.log
# exp(log n) = n: these rows have the probabilities 1/4, 3/4 and 1/2, 1/2.
LOGITS = np.log([[1.0, 3.0], [5.0, 5.0]])
NAN, INF = math.nan, math.inf


@pytest.fixture(params=["numpy", "reference"], autouse=True)
def backend(request: pytest.FixtureRequest) -> Any:
    with lamina.use_backend(request.param):
        yield


def both(prediction: Any, target: Any, settings: Any = None, **forward: Any) -> tuple[float, Any]:
    loss, prediction = SoftmaxCrossEntropy(**settings or {}), np.array(prediction)
    prediction.flags.writeable = False
    value, saved = loss.forward(prediction, target, **forward)
    return float(value), loss.backward(saved)


def expect(got: tuple[float, Any], loss: float, gradient: Any) -> None:
    assert got[0] == pytest.approx(loss, rel=1e-14)
    np.testing.assert_allclose(got[1], gradient, rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize(
    "target",
    [[0, 1], (0, 1), np.array([0, 1], "uint8"), [[1, 0], [0, 1]], np.eye(2, dtype="float32"), np.eye(2, dtype=bool)],
)
def test_labels_and_one_hot_rows_are_the_same(target: Any) -> None:
    gradient = [[(1 / 4 - 1) / 2, 3 / 4 / 2], [1 / 2 / 2, (1 / 2 - 1) / 2]]
    expect(both(LOGITS, target), (LOG(4) + LOG(2)) / 2, gradient)


def test_probabilities() -> None:
    loss = 0.5 * LOG(4) + 0.5 * LOG(4 / 3)
    expect(both(LOGITS[:1], [[0.5, 0.5]]), loss, [[-0.25, 0.25]])


def test_each_step_of_a_sequence_counts_alike() -> None:
    logits = np.stack([LOGITS, LOGITS[::-1]])
    gradient = np.array([[[-3, 3], [-2, 2]], [[2, -2], [1, -1]]]) / 16
    expect(both(logits, [[0, 0], [1, 1]]), (LOG(4) + LOG(2) + LOG(2) + LOG(4 / 3)) / 4, gradient)
    expect(both(logits, np.eye(2)[[[0, 0], [1, 1]]]), (LOG(4) + LOG(2) + LOG(2) + LOG(4 / 3)) / 4, gradient)


def test_an_ignored_label_leaves_its_row_out_of_the_mean() -> None:
    for ignored in (-1, -100, 7, 1):
        expect(both(LOGITS, [0, ignored], {"ignore_index": ignored}), LOG(4), [[-3 / 4, 3 / 4], [0, 0]])
    expect(both(LOGITS, np.array([0, 255], "uint8"), {"ignore_index": 255}), LOG(4), [[-3 / 4, 3 / 4], [0, 0]])


def test_a_fractional_mask_weighs() -> None:
    # Shares 1/4 and 3/4.
    gradient = [[-3 / 16, 3 / 16], [3 / 8, -3 / 8]]
    expect(both(LOGITS, [0, 1], mask=[0.5, 1.5]), LOG(4) / 4 + 3 * LOG(2) / 4, gradient)


def test_steps_past_a_rows_end_do_not_count() -> None:
    logits = np.stack([LOGITS, LOGITS])
    expect(both(logits, [[0, 99], [0, 0]], lengths=[1, 0]), LOG(4), [[[-3 / 4, 3 / 4], [0, 0]], np.zeros((2, 2))])


@pytest.mark.parametrize("garbage", [INF, -INF, NAN, 1e308])
@pytest.mark.parametrize(
    ("target", "settings", "forward"),
    [
        ([0, -1], {"ignore_index": -1}, {}),
        ([0, 5], {}, {"mask": [1, 0]}),
        ([0, -7], {}, {"mask": [2.5, 0]}),
        ([[1, 0], [NAN, 9]], {}, {"mask": [1, 0]}),
        ([0, -1], {"ignore_index": -1, "label_smoothing": 0.0, "class_weight": [1, 1]}, {}),
    ],
)
def test_what_stands_in_a_row_that_does_not_count_is_never_looked_at(
    garbage: float, target: Any, settings: Any, forward: Any
) -> None:
    logits = [LOGITS[0], [garbage, -garbage]]
    loss, gradient = both(logits, target, settings, **forward)
    expect((loss, gradient), LOG(4), [[-3 / 4, 3 / 4], [0, 0]])
    per_step = both([logits], [target], settings, **{key: [value] for key, value in forward.items()})
    expect(per_step, LOG(4), [[[-3 / 4, 3 / 4], [0, 0]]])


def test_garbage_past_a_rows_end_is_never_looked_at() -> None:
    logits = [[LOGITS[0], [NAN, INF]]]
    expect(both(logits, [[0, -5]], lengths=[1]), LOG(4), [[[-3 / 4, 3 / 4], [0, 0]]])


@pytest.mark.parametrize(
    ("target", "settings", "forward"),
    [([-1, -1], {"ignore_index": -1}, {}), ([0, 1], {}, {"mask": [0, 0]}), ([[1, 0], [0, 1]], {}, {"mask": [0, 0]})],
)
def test_where_nothing_counts_loss_and_gradient_are_zero(target: Any, settings: Any, forward: Any) -> None:
    expect(both(LOGITS, target, settings, **forward), 0, np.zeros((2, 2)))
    assert both(LOGITS[None], [[0, 1]], lengths=[0])[0] == 0


def test_class_weights_scale_each_rows_loss_and_not_the_divisor() -> None:
    gradient = np.array([[-3 / 4 * 2, 3 / 4 * 2], [1 / 2 * 10, -1 / 2 * 10]]) / 2
    expect(both(LOGITS, [0, 1], {"class_weight": [2, 10]}), (2 * LOG(4) + 10 * LOG(2)) / 2, gradient)
    expect(
        both(LOGITS, [[1, 0], [0, 1]], {"class_weight": np.array([2, 10])}), (2 * LOG(4) + 10 * LOG(2)) / 2, gradient
    )


def test_label_smoothing_spreads_a_share_evenly() -> None:
    # q = 0.8 * (1, 0) + 0.2 / 2
    loss = 0.9 * LOG(4) + 0.1 * LOG(4 / 3)
    expect(both(LOGITS[:1], [0], {"label_smoothing": 0.2}), loss, [[1 / 4 - 0.9, 3 / 4 - 0.1]])
    expect(both(LOGITS[:1], [[1, 0]], {"label_smoothing": 0.2}), loss, [[1 / 4 - 0.9, 3 / 4 - 0.1]])
    weighted = 3 * 0.9 * LOG(4) + 0.1 * LOG(4 / 3)
    mass = 3 * 0.9 + 0.1
    expect(
        both(LOGITS[:1], [0], {"label_smoothing": 0.2, "class_weight": [3, 1]}),
        weighted,
        [[mass / 4 - 3 * 0.9, mass * 3 / 4 - 0.1]],
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_huge_logits_neither_overflow_nor_vanish(dtype: str) -> None:
    loss, gradient = both(np.array([[1e4, -1e4], [-1e4, 1e4]], dtype), [1, 1])
    assert loss == 1e4
    assert gradient.tolist() == [[0.5, -0.5], [0, 0]]


def test_a_ruled_out_class_costs_nothing_where_it_is_no_target() -> None:
    expect(both([[-INF, 0.0, 0.0]], [2]), LOG(2), [[0, 0.5, -0.5]])
    expect(both([[-INF, 0.0, 0.0]], [[0, 0.5, 0.5]]), LOG(2), [[0, 0, 0]])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"label_smoothing": 1}, "expected label_smoothing to be a number of at least 0 and below 1, got 1"),
        ({"label_smoothing": -0.1}, "expected label_smoothing to be a number of at least 0 and below 1, got -0.1"),
        ({"label_smoothing": NAN}, "expected label_smoothing to be a number of at least 0 and below 1, got nan"),
        ({"label_smoothing": "0.1"}, "expected label_smoothing to be a number of at least 0 and below 1, got '0.1'"),
        ({"ignore_index": 1.5}, "expected ignore_index to be a whole number, got 1.5"),
        ({"ignore_index": True}, "expected ignore_index to be a whole number, got True"),
        ({"class_weight": [1, -1]}, "expected every class_weight to be a number of at least 0, got -1"),
        ({"class_weight": [1, INF]}, "expected every class_weight to be a number of at least 0, got inf"),
        ({"class_weight": {0: 2.0, 1: 1.0}}, "expected one class_weight for each class, got {0: 2.0, 1: 1.0}"),
        ({"class_weight": 2.0}, "expected one class_weight for each class, got 2.0"),
    ],
)
def test_settings_out_of_range_are_refused(settings: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        SoftmaxCrossEntropy(**settings)
    assert str(caught.value) == f"SoftmaxCrossEntropy: {message}"


SEQUENCE = np.zeros((2, 3, 4))


@pytest.mark.parametrize(
    ("prediction", "target", "error", "message"),
    [
        (LOGITS, [0, 2], DataError, "expected labels from 0 to 1, got 2 at index 1"),
        (LOGITS, [-1, 0], DataError, "expected labels from 0 to 1, got -1 at index 0"),
        (SEQUENCE, [[0, 1, 2], [0, 4, 9]], DataError, "expected labels from 0 to 3, got 4 at index (1, 1)"),
        (LOGITS, [0.0, 1.0], DTypeError, "expected integer labels, got float64"),
        (LOGITS, [True, False], DTypeError, "expected integer labels, got bool"),
        (LOGITS, ["a", "b"], DTypeError, "expected integer labels, got an array of <U1"),
        (LOGITS, [0, None], DTypeError, "expected integer labels, got an array of object"),
        (LOGITS, [0, 1, 0], ShapeError, "expected labels of shape (2,) or probabilities of shape (2, 2), got (3,)"),
        (LOGITS, [[0], [1]], ShapeError, "expected labels of shape (2,) or probabilities of shape (2, 2), got (2, 1)"),
        (SEQUENCE, [0, 1], ShapeError, "expected labels of shape (2, 3) or probabilities of shape (2, 3, 4), got (2,)"),
        (np.zeros(2), [0, 1], ShapeError, "expected logits (batch, classes), got (2,)"),
        (
            LOGITS,
            [[1, 0], [0.5, 0.2]],
            DataError,
            "expected probabilities that sum to 1, got a sum of 0.7 and a smallest of 0.2 at index 1",
        ),
        (
            LOGITS,
            [[1.5, -0.5], [1, 0]],
            DataError,
            "expected probabilities that sum to 1, got a sum of 1 and a smallest of -0.5 at index 0",
        ),
        (
            np.zeros((4, 2)),
            [[1, 0], [0.5, 0.2], [0, 0], [1, 0]],
            DataError,
            "expected probabilities that sum to 1, got a sum of 0.7 and a smallest of 0.2 at index 1",
        ),
        (
            np.zeros((1, 2, 60)),
            np.stack([np.eye(60)[:1], np.ones((1, 60))], axis=1),
            DataError,
            "expected probabilities that sum to 1, got a sum of 60 and a smallest of 1 at index (0, 1)",
        ),
    ],
)
def test_targets_that_do_not_fit_are_refused(prediction: Any, target: Any, error: Any, message: str) -> None:
    with pytest.raises(error) as caught:
        SoftmaxCrossEntropy().forward(prediction, target)
    assert type(caught.value) is error
    assert str(caught.value) == f"SoftmaxCrossEntropy: {message}"


def test_class_weights_must_match_the_classes() -> None:
    with pytest.raises(ShapeError, match=r"^SoftmaxCrossEntropy: expected 2 class weights, got 3$"):
        SoftmaxCrossEntropy(class_weight=[1, 1, 1]).forward(LOGITS, [0, 1])


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # Every label counts, and all the same.
    assert defaults(SoftmaxCrossEntropy) == {
        "ignore_index": None,
        "class_weight": None,
        "label_smoothing": 0.0,
        "reduction": "mean",
    }
