"""What compiled losses share: over how many terms the mean is, weights, and gradients that nobody wants."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import lamina
from lamina.backends.numba.engine.forms.every import find_form
from lamina.backends.numba.engine.plan import Plan
from lamina.backends.program import Given
from lamina.core.lowering import NotPlanned
from lamina.losses import MeanSquaredError, SoftmaxCrossEntropy
from lamina.plan.lower import Shaped, lower
from tests.backends.numba.engine.lone_loss import call_of


def planned(loss, x, target, weights=None, lengths=None, frozen=False):
    """Return a plan of a Dense layer that leaves things as they are, given all rows; and that layer."""
    layer = lamina.layers.Dense(x.shape[-1])
    layer.build((None,) * (x.ndim - 1) + (x.shape[-1],), seed=0, dtype="float64")
    layer.w.data[...], layer.b.data[...] = np.eye(x.shape[-1]), 0
    layer.trainable = not frozen
    shaped = None if weights is None else Shaped(weights.shape, False)
    whole = target.dtype.kind == "i"
    program = lower(layer, loss, None, (Shaped(x.shape, False),), Shaped(target.shape, whole), len(x), shaped)
    plan = Plan(program)
    target = target if program.targets[0].integers else target.astype(float)
    plan.give(Given((x,), (target,) if weights is None else (target, weights), lengths))
    return plan, layer


def test_weights_of_rows_are_those_of_all_their_steps():
    x, lengths = np.random.default_rng(0).normal(size=(3, 2, 4)), np.array([1, 2, 0])
    plan, layer = planned(MeanSquaredError(), x, np.zeros((3, 2, 4)), np.array([[3.0], [0.5], [7.0]]), lengths)
    plan.run(None, 3)
    assert plan.terms[0] == 3 + 0.5 + 0.5
    expected = (3 * (x[0, 0] ** 2).mean() + 0.5 * (x[1] ** 2).mean(axis=1).sum()) / 4
    np.testing.assert_allclose(plan.loss[0], expected)
    np.testing.assert_allclose(layer.b.grad, (6 * x[0, 0] + x[1].sum(axis=0)) / 4 / 4)


def test_what_does_not_count_may_be_anything():
    x = np.random.default_rng(1).normal(size=(4, 3))
    x[1] = np.nan
    for loss, target in ((MeanSquaredError(), np.zeros((4, 3))), (SoftmaxCrossEntropy(), np.array([0, 1, 2, 0]))):
        weights = np.array([[1.0], [0.0], [1.0], [2.0]])
        plan, _ = planned(loss, x, target, weights)
        plan.run(None, 4)
        kept = [0, 2, 3]
        assert plan.loss[0] == pytest.approx(loss(x[kept], target[kept], mask=weights[kept, 0]), rel=1e-12)


def test_where_nothing_counts_the_loss_is_0():
    plan, layer = planned(SoftmaxCrossEntropy(ignore_index=-1), np.ones((2, 3)), np.array([-1, -1]))
    plan.run(None, 2)
    assert plan.loss[0] == plan.terms[0] == 0
    np.testing.assert_array_equal(layer.w.grad, 0)


def test_a_model_of_which_nothing_is_trained_has_a_loss():
    x = np.random.default_rng(2).normal(size=(4, 3))
    for loss, target in ((MeanSquaredError(), np.zeros((4, 3))), (SoftmaxCrossEntropy(), np.array([0, 1, 2, 0]))):
        plan, layer = planned(loss, x, target, frozen=True)
        plan.run(None, 4)
        assert plan.loss[0] == pytest.approx(loss(x, target), rel=1e-12)
        np.testing.assert_array_equal(layer.w.grad, 0)


def test_a_sum_is_no_mean():
    x = np.random.default_rng(3).normal(size=(4, 3))
    plan, _ = planned(MeanSquaredError(reduction="sum"), x, np.zeros((4, 3)))
    plan.run(None, 4)
    assert plan.loss[0] == pytest.approx((x**2).mean(axis=1).sum(), rel=1e-12)
    assert plan.terms[0] == 4


def test_whole_numbers_of_the_predictions_shape_are_numbers():
    x, target = np.random.default_rng(4).normal(size=(4, 3)), np.arange(12).reshape(4, 3)
    plan, _ = planned(MeanSquaredError(), x, target)
    plan.run(None, 4)
    assert plan.loss[0] == pytest.approx(((x - target) ** 2).mean(), rel=1e-12)


def test_what_does_not_fit_is_refused():
    with pytest.raises(NotPlanned, match="weights of steps"):
        planned(MeanSquaredError(), np.ones((4, 3)), np.ones((4, 3)), np.ones((4, 2, 1)))
    assert find_form("mean_squared_error").refuses(call_of(MeanSquaredError(), 3).loss) == "of labels"
    assert "2 targets" in find_form("mean_squared_error").refuses(call_of(MeanSquaredError(), 3, 2).loss)
    each = call_of(MeanSquaredError(reduction="none"), 3, 3).loss
    assert find_form("mean_squared_error").refuses(each) == "of each term alone"
