"""Compiled updates of Adam's kind: NumPy's to the last digit, in either dtype."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

from tests.backends.numba.engine.planned_updates import cases_of, compare

CASES = cases_of("Adam", "AdamW", "AMSGrad", "NAdam", "RAdam", "Adamax")


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
CLIPPED = ("NAdam-decoupled", "Adamax-groups")
