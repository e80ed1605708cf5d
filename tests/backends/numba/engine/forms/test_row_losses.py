"""Compiled losses whose outputs belong together."""

import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

from lamina.backends.numba.engine.forms.every import find_form
from lamina.losses import Quantile
from tests.backends.numba.engine.lone_loss import agree_on_special_values, call_of
from tests.backends.numba.engine.planned_loss import cases_of, prove, target_of

CASES = cases_of("CosineSimilarity", "GaussianNegativeLogLikelihood", "Quantile")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_planned_it_is_what_the_loss_is(case, dtype):
    assert prove(case.make(), case.shape, target_of(case), dtype) >= 0


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_nan_and_infinity_are_seen(case):
    assert agree_on_special_values(case) > 10


def test_targets_of_other_sizes_are_refused():
    three = call_of(Quantile([0.1, 0.9]), 6, 2).loss
    assert find_form("quantile").refuses(three) == "of 6 outputs for 2 targets"
    assert find_form("quantile").refuses(call_of(Quantile([0.1, 0.9]), 4, 2).loss) == ""
