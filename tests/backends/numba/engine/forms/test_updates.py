"""Compiled updates: NumPy's to the last digit, in either dtype."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import lamina
from tests.backends.numba.engine.planned_updates import cases_of, compare, exactness_of, models, plan_of

CASES = cases_of("SGD", "AdaGrad", "AdaDelta", "RMSprop", "Lion")


@pytest.mark.parametrize("frozen", ["", "w1.w b2.b"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_planned_steps_are_the_optimizers(case, dtype, frozen):
    compare(case.make, dtype, exactness_of(case), frozen)


def test_lions_sign_of_nothing_is_0_and_of_nan_is_nan():
    model = models("float32")[1]
    optimizer = lamina.optimizers.Lion(model.parameters(), lr=0.5, beta1=0.5)
    weights = [one.data.copy() for one in model.parameters()]
    updates, plan = plan_of(optimizer, "float32")
    for parameter in model.parameters():
        parameter.grad[...] = 0
    model.parameters()[0].grad[0, 0] = np.nan
    assert updates.refresh(plan)
    plan.run(None, 1, clear=False)
    assert np.isnan(model.parameters()[0].data[0, 0])
    for before, parameter in zip(weights[1:], model.parameters()[1:], strict=True):
        np.testing.assert_array_equal(parameter.data, before)
