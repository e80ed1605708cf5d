"""Cyclic, by numbers counted by hand; torch's are compared with in tests/parity."""

import doctest
from typing import Any

import pytest

from lamina.errors import ArgumentError, UnknownNameError
from lamina.optimizers import Cyclic, schedules
from lamina.optimizers.schedules import cyclic


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        (Cyclic(2), [0, 4, 8, 4, 0, 4, 8]),
        (Cyclic(1, 3, floor=2.0), [2, 8, 6, 4, 2, 8]),
        (Cyclic(1, mode="triangular2"), [0, 8, 0, 4, 0, 2, 0, 1]),
        (Cyclic(1, floor=4.0, mode="exp_range", factor=0.5), [4, 6, 4, 4.5, 4, 4.125]),
    ],
    ids=repr,
)
def test_rates(schedule: Any, rates: list[float]) -> None:
    assert [schedule.rate(count, 8.0) for count in range(len(rates))] == pytest.approx(rates, abs=1e-12)


def test_counts_far_on_are_no_work() -> None:
    assert Cyclic(1, floor=0.5, mode="triangular2").rate(10**9 + 1, 1.0) == 0.5
    assert Cyclic(1).rate(10**15 + 1, 1.0) == 1.0


def test_a_mode_that_is_none_is_told_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"^unknown mode of Cyclic 'triangular3': did you mean 'triangular"):
        Cyclic(2, mode="triangular3")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Cyclic(0), "Cyclic: expected rise to be a whole number of 1 or more, got 0"),
        (lambda: Cyclic(1, 0), "Cyclic: expected fall to be a whole number of 1 or more, got 0"),
        (lambda: Cyclic(1, floor=-1), "Cyclic: expected floor to be a number of at least 0, got -1"),
        (
            lambda: Cyclic(1, mode="exp_range", factor=0.0),
            "Cyclic: expected factor to be a number above 0, got 0.0",
        ),
        (
            lambda: Cyclic(1, factor=0.5),
            "Cyclic: factor needs mode='exp_range', got factor=0.5 with mode='triangular'",
        ),
    ],
)
def test_settings_out_of_range_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        make()
    assert str(caught.value) == message


def test_it_prints_as_it_is_made() -> None:
    assert repr(Cyclic(9, 4, per="step")) == "Cyclic(9, fall=4, per='step')"


def test_it_is_found_by_name() -> None:
    assert schedules.find("cyclic") is Cyclic


def test_the_example_in_the_docstring() -> None:
    assert doctest.testmod(cyclic) == (0, 2)


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # PyTorch's step_size_down, mode and gamma; up from nothing.
    assert defaults(Cyclic) == {"fall": None, "floor": 0.0, "mode": "triangular", "factor": 1.0, "per": "epoch"}
