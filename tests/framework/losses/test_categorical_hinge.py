"""The hinge loss of several classes, by hand."""

import math
from typing import Any

import numpy as np
import pytest

from lamina.errors import ArgumentError, DataError
from lamina.losses import CategoricalHinge

SCORES = [[2.0, 1.5, 1.25, -3.0]]


def both(loss: Any, prediction: Any, target: Any, **settings: Any) -> tuple[float, list]:
    prediction = np.array(prediction)
    prediction.flags.writeable = False
    value, saved = loss.forward(prediction, target, **settings)
    return float(value), loss.backward(saved).tolist()


def test_the_nearest_of_the_other_classes_counts() -> None:
    assert both(CategoricalHinge(), SCORES, [0]) == (0.5, [[-1, 1, 0, 0]])
    assert both(CategoricalHinge(squared=True), SCORES, [0]) == (0.25, [[-1, 1, 0, 0]])
    assert both(CategoricalHinge(margin=0.5), SCORES, [0]) == (0.0, [[0, 0, 0, 0]])  # on the margin
    assert both(CategoricalHinge(), SCORES, [3]) == (6.0, [[1, 0, 0, -1]])


def test_or_all_that_come_too_near() -> None:
    assert both(CategoricalHinge(every=True), SCORES, [0]) == ((0.5 + 0.25) / 4, [[-0.5, 0.25, 0.25, 0]])
    squared = both(CategoricalHinge(True, True), SCORES, [0])
    assert squared == ((0.25 + 0.0625) / 4, [[-(1 + 0.5) / 4, 1 / 4, 0.5 / 4, 0]])


def test_among_equals_the_first_counts() -> None:
    assert both(CategoricalHinge(), [[0.0, 1.0, 1.0]], [0]) == (2.0, [[-1, 1, 0]])


def test_class_weights_leave_the_divisor_alone_and_ignored_labels_do_not() -> None:
    loss = CategoricalHinge(class_weight=[2, 1, 1, 1], ignore_index=-1)
    assert both(loss, [*SCORES, *SCORES, [math.nan] * 4], [0, 1, -1])[0] == (2 * 0.5 + 1.5) / 2


def test_extremes_in_float32() -> None:
    scores = np.array([[1e4, -1e4, 0.0]], np.float32)
    assert both(CategoricalHinge(), scores, [0]) == (0.0, [[0, 0, 0]])
    assert both(CategoricalHinge(), scores, [1]) == (20001.0, [[1, -1, 0]])


def test_one_class_costs_nothing() -> None:
    assert both(CategoricalHinge(), [[5.0]], [0]) == (0.0, [[0.0]])


def test_labels_out_of_range_are_refused() -> None:
    with pytest.raises(DataError, match=r"^CategoricalHinge: expected labels from 0 to 3, got 4 at index 0$"):
        CategoricalHinge().forward(np.array(SCORES), [4])


@pytest.mark.parametrize("settings", [{"margin": 0}, {"margin": math.nan}, {"every": 2}, {"squared": "yes"}])
def test_settings_out_of_range_are_refused(settings: Any) -> None:
    (name,) = settings
    with pytest.raises(ArgumentError, match=f"^CategoricalHinge: expected {name} to be "):
        CategoricalHinge(**settings)


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # Keras's; the margin is PyTorch's too.
    assert defaults(CategoricalHinge) == {
        "squared": False,
        "every": False,
        "margin": 1.0,
        "ignore_index": None,
        "class_weight": None,
        "reduction": "mean",
    }
