"""The hinge loss, by hand."""

from typing import Any

import numpy as np
import pytest

from lamina.errors import ArgumentError, DataError
from lamina.losses import Hinge


def both(loss: Any, prediction: Any, target: Any, **settings: Any) -> tuple[float, list]:
    prediction = np.array(prediction)
    prediction.flags.writeable = False
    value, saved = loss.forward(prediction, target, **settings)
    return float(value), loss.backward(saved).tolist()


@pytest.mark.parametrize("target", [[[1, 0], [1, 0]], [[1, -1], [1, -1]], [[True, False], [True, False]]], ids=str)
def test_it_is_what_is_lacking_to_the_margin(target: Any) -> None:
    # 0, and 1 + 0.5; 1 - 0.25, and at the margin.
    assert both(Hinge(), [[2.0, 0.5], [0.25, -1.0]], target) == ((1.5 + 0.75) / 4, [[0, 0.25], [-0.25, 0]])
    squared = both(Hinge(squared=True), [[2.0, 0.5], [0.25, -1.0]], target)
    assert squared == ((1.5**2 + 0.75**2) / 4, [[0, 2 * 1.5 / 4], [-2 * 0.75 / 4, 0]])


def test_extremes_in_float32() -> None:
    prediction = np.array([[1e4, -1e4]], np.float32)
    assert both(Hinge(), prediction, [[1, 0]]) == (0.0, [[0.0, 0.0]])
    assert both(Hinge(), prediction, [[0, 1]]) == (10001.0, [[0.5, -0.5]])


def test_other_targets_are_refused_where_they_count() -> None:
    with pytest.raises(DataError) as caught:
        Hinge().forward(np.zeros((2, 1)), [[1], [0.5]])
    assert str(caught.value) == "Hinge: expected targets 1, and 0 or -1, got 0.5 at index (1, 0)"
    assert Hinge()(np.zeros((2, 1)), [[1], [0.5]], mask=[1, 0]) == 1.0


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ArgumentError, match=r"^Hinge: expected squared to be True or False, got 2$"):
        Hinge(2)  # type: ignore[arg-type]


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # Keras's.
    assert defaults(Hinge) == {"squared": False, "reduction": "mean"}
