from typing import Any

import numpy as np
import pytest

from lamina.errors import ArgumentError, DataError, ShapeError
from lamina.losses import NegativeLogLikelihood
from lamina.losses.labels import as_weights, counted_steps, require_labels

LOSS = NegativeLogLikelihood()


def test_weights_become_a_list_of_python_numbers() -> None:
    assert as_weights("A", "b", None) is None
    for value in ([1, 2], (1.0, 2.0), np.array([1, 2], "float32")):
        weights = as_weights("A", "b", value)
        assert weights == [1.0, 2.0]
        assert weights is not None
        assert [type(weight) for weight in weights] == [float, float]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (1.0, "expected one b for each output, got 1.0"),
        ([[1.0]], "expected one b for each output, got [[1.0]]"),
        ([-1.0], "expected every b to be a number of at least 0, got -1.0"),
    ],
)
def test_what_are_no_weights_is_refused(value: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        as_weights("A", "b", value, "output")
    assert str(caught.value) == f"A: {message}"


def test_counted_steps() -> None:
    assert counted_steps(LOSS, (2, 3)).tolist() == [True, True]
    assert counted_steps(LOSS, (2, 3), mask=[0, 0.5]).tolist() == [False, True]
    assert counted_steps(LOSS, (2, 2, 5), [1, 2]).tolist() == [[True, False], [True, True]]
    assert counted_steps(LOSS, (2, 2, 5), [1, 2], mask=[1, 0]).tolist() == [[True, False], [False, False]]
    assert counted_steps(LOSS, (2, 2, 5), [1, 2], [[1, 1], [0, 1]]).tolist() == [[True, False], [False, True]]
    with pytest.raises(ShapeError, match=r"^NegativeLogLikelihood: expected a mask of shape \(2,\), got \(3,\)$"):
        counted_steps(LOSS, (2, 3), mask=[1, 1, 1])


def test_labels_that_count_must_be_classes() -> None:
    labels = np.array([[0, 9], [-1, 2]])
    require_labels(LOSS, labels, np.array([[True, False], [False, True]]), 3)
    with pytest.raises(DataError) as caught:
        require_labels(LOSS, labels, np.ones((2, 2), bool), 3)
    assert str(caught.value) == "NegativeLogLikelihood: expected labels from 0 to 2, got 9 at index (0, 1)"
