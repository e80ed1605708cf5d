"""Compiled updates of Adam's kind: NumPy's to the last digit, in either dtype."""

import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

from tests.backends.numba.engine.planned_updates import cases_of, compare, exactness_of

CASES = cases_of("Adam", "AdamW", "AMSGrad", "NAdam", "RAdam", "Adamax")


@pytest.mark.parametrize("frozen", ["", "w1.w b2.b"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_planned_steps_are_the_optimizers(case, dtype, frozen):
    compare(case.make, dtype, exactness_of(case), frozen)
