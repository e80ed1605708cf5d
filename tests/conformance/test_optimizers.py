"""Every optimizer, in every case of the registry, on every backend."""

import pytest

from lamina.testing import check_optimizer
from lamina.testing.cases import optimizer_cases

CASES = optimizer_cases()
# array-api-strict is slow. There, a third of the steps must be enough to come down: it takes none of them as many.
STEPS = {"array-api-strict": 333}


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_optimizer(case, backend):
    if backend in STEPS:
        report = check_optimizer(case.make, backend=backend, steps=STEPS[backend])
    else:
        report = case.check(backend)
    assert set(report.skipped) <= {"generic kernel", "moved", "gradients left alone"}, report
