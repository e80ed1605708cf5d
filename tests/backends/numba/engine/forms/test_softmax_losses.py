"""Compiled losses from logits of classes."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

from lamina.backends.numba.engine.forms.every import find_form
from lamina.core.lowering import NotPlanned
from lamina.losses import KLDivergence, SoftmaxCrossEntropy
from tests.backends.numba.engine.lone_loss import agree_on_special_values, alone, call_of
from tests.backends.numba.engine.planned_loss import cases_of, prove, target_of

CASES = cases_of("SoftmaxCrossEntropy", "SoftmaxFocalCrossEntropy", "KLDivergence")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_planned_it_is_what_the_loss_is(case, dtype):
    assert prove(case.make(), case.shape, target_of(case), dtype) >= 0


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_nan_and_infinity_are_seen(case):
    assert agree_on_special_values(case) > 10


def test_a_class_that_is_ruled_out_costs_nothing_unless_it_is_the_target():
    logits = np.array([[0.0, -np.inf, 1.0]])
    loss, gradient = alone(SoftmaxCrossEntropy(label_smoothing=0.5, class_weight=[1, 0, 1]), logits, np.array([2]))
    share = 1 / (1 + np.e)
    np.testing.assert_allclose(loss, -np.log(share) / 6 - np.log(1 - share) * 4 / 6, rtol=1e-12)
    assert gradient[0, 1] == 0
    assert alone(SoftmaxCrossEntropy(), logits, np.array([1]))[0] == np.inf


def test_a_huge_logit_beside_others_leaves_no_nan():
    loss, gradient = alone(SoftmaxCrossEntropy(), np.array([[1e4, -1e4, 0.0]], np.float32), np.array([0]))
    assert loss == 0
    np.testing.assert_array_equal(gradient, [[0, 0, 0]])


def test_options_that_are_not_planned_say_so():
    of_each = call_of(SoftmaxCrossEntropy(reduction="none"), 3).loss
    assert find_form("softmax_cross_entropy").refuses(of_each) == "of each term alone"
    labels = call_of(KLDivergence(), 3).loss
    assert find_form("kl_divergence").refuses(labels) == "of labels"
    with pytest.raises(NotPlanned, match="SoftmaxCrossEntropy has 2 class weights"):
        call_of(SoftmaxCrossEntropy(class_weight=[1, 2]), 3)
