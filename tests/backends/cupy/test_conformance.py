"""Every layer, loss and optimizer, in every case of the registry."""

import pytest

from lamina.testing.cases import layer_cases, loss_cases, optimizer_cases

CASES = [*layer_cases(), *loss_cases(), *optimizer_cases()]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
@pytest.mark.usefixtures("device")
def test_case(case):
    report = case.check("cupy")
    assert len(report.passed) >= 4, report
