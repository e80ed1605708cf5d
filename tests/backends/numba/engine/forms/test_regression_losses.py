"""Compiled losses that are a mean over outputs."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

from lamina.core.lowering import own_lowering
from lamina.losses import ElementwiseLoss, Hinge, LogCosh
from tests.backends.numba.engine.lone_loss import agree_on_special_values, alone
from tests.backends.numba.engine.planned_loss import cases_of, prove, target_of

CASES = cases_of(
    "MeanSquaredError",
    "MeanAbsoluteError",
    "Huber",
    "MeanAbsolutePercentageError",
    "MeanSquaredLogarithmicError",
    "LogCosh",
    "Hinge",
    "PoissonNegativeLogLikelihood",
    "BinaryCrossEntropy",
    "BinaryFocalCrossEntropy",
)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_planned_it_is_what_the_loss_is(case, dtype):
    assert prove(case.make(), case.shape, target_of(case), dtype) >= 0


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_nan_and_infinity_are_seen(case):
    assert agree_on_special_values(case) > 10


def test_log_cosh_keeps_its_digits_near_0_and_far_away():
    for dtype, exact in ((np.float64, 1e-14), (np.float32, 5e-7)):
        for size in (1e-6, 1e-3, 0.3, 0.999, 1.0, 1.001, 3.0, 80.0):
            z = np.array([[size]], dtype)
            size = float(z[0, 0])
            expected = size + np.log1p(np.exp(-2 * size)) - np.log(2) if size > 0.5 else np.log1p(np.cosh(size) - 1)
            expected = size**2 / 2 if size < 1e-2 else expected
            loss, gradient = alone(LogCosh(), z, np.zeros((1, 1), dtype))
            np.testing.assert_allclose(loss, expected, rtol=max(exact, size**2 / 5 if size < 1e-2 else 0))
            np.testing.assert_allclose(gradient, [[np.tanh(size)]], rtol=exact)


def test_a_loss_of_ones_own_is_not_planned():
    class Cubed(ElementwiseLoss):
        def value(self, xp, prediction, target):
            return xp.abs(prediction - target) ** 3

        def derivative(self, xp, prediction, target):
            return 3 * (prediction - target) * xp.abs(prediction - target)

    class Other(Hinge):
        def value(self, xp, prediction, target):
            return super().value(xp, prediction, target) * 2

    assert own_lowering(Cubed()) is None
    assert own_lowering(Other()) is None
    assert own_lowering(Hinge()) is not None
