"""Compiled updates: NumPy's to the last digit, in either dtype."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

from tests.backends.numba.engine.planned_updates import cases_of, compare

CASES = cases_of("SGD", "AdaGrad", "AdaDelta", "RMSprop", "Lion")


def to_the_last_digit(got, expected):
    np.testing.assert_array_equal(got, expected)


def to_rounding(got, expected):
    exact = 1e-12 if expected.dtype == np.float64 else 2e-6  # of the norm, which is a sum in another order
    np.testing.assert_allclose(got, expected, rtol=exact, atol=exact * max(1, np.abs(expected).max(initial=0)))


@pytest.mark.parametrize("frozen", ["", "w1.w b2.b"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_planned_steps_are_the_optimizers(case, dtype, frozen):
    clips = "clipped" in case.name or "everything" in case.name or case.name in CLIPPED
    compare(case.make, dtype, to_rounding if clips else to_the_last_digit, frozen)


# Their names do not say that they clip.
CLIPPED = ()


def test_lions_sign_of_nothing_is_0_and_of_nan_is_nan():
    import lamina
    from tests.backends.numba.engine.planned_updates import models, plan_of

    model = models("float32")[1]
    optimizer = lamina.optimizers.Lion(model.parameters(), lr=0.5, beta1=0.5)
    weights, updates_and_plan = [one.data.copy() for one in model.parameters()], plan_of(optimizer, "float32")
    updates, plan = updates_and_plan
    for parameter in model.parameters():
        parameter.grad[...] = 0
    model.parameters()[0].grad[0, 0] = np.nan
    assert updates.refresh(plan)
    plan.run(None, 1, clear=False)
    assert np.isnan(model.parameters()[0].data[0, 0])
    for before, parameter in zip(weights[1:], model.parameters()[1:], strict=True):
        np.testing.assert_array_equal(parameter.data, before)
