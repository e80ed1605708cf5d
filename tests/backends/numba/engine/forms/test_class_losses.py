"""Compiled losses of labels without a softmax."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

from lamina.losses import CategoricalHinge, NegativeLogLikelihood
from tests.backends.numba.engine.lone_loss import agree_on_special_values, alone
from tests.backends.numba.engine.planned_loss import cases_of, prove, target_of

CASES = cases_of("NegativeLogLikelihood", "CategoricalHinge")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_planned_it_is_what_the_loss_is(case, dtype):
    assert prove(case.make(), case.shape, target_of(case), dtype) >= 0


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_nan_and_infinity_are_seen(case):
    assert agree_on_special_values(case) > 10


def test_a_class_without_weight_may_be_impossible():
    loss = NegativeLogLikelihood(class_weight=[0, 1])
    assert alone(loss, np.array([[-np.inf, -1.0], [-2.0, -3.0]]), np.array([0, 1]))[0] == 1.5


def test_the_first_of_the_nearest_classes_counts():
    loss, gradient = alone(CategoricalHinge(), np.array([[1.0, 1.5, 1.5]]), np.array([0]))
    assert loss == 1.5
    np.testing.assert_array_equal(gradient, [[-1, 1, 0]])
