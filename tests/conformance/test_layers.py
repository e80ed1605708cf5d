"""Every layer, in every case of the registry, on every backend."""

import pytest

from lamina.testing.cases import layer_cases

CASES = layer_cases()

# What may be skipped, and why; anything else that is skipped is a hole in the proof.
EXPECTED = {
    "this is the generic kernel",
    "takes no lengths",
    "takes padding for data",
    "no time axis, or lengths=False",
    "not registered",
}


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_layer(case, backend):
    report = case.check(backend)
    assert {reason.split(":")[0] for reason in report.skipped.values()} <= EXPECTED, report
    assert report.worst_error < 1e-6
    if "SimpleRNN" in case.name:  # nothing is left out where every check applies
        assert set(report.skipped) <= {"generic kernel"}, report
