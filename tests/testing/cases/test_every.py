import pytest

from lamina.testing.cases import layer_cases, loss_cases, optimizer_cases


@pytest.mark.parametrize("cases", [layer_cases, loss_cases, optimizer_cases])
def test_cases_are_new_every_time(cases):
    first, second = cases(), cases()
    assert [case.name for case in first] == [case.name for case in second]
    if cases is not optimizer_cases:
        assert all(case.make() is not case.make() for case in first)
