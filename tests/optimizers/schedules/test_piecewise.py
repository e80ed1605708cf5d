"""PiecewiseConstant, by numbers counted by hand; torch's are compared with in tests/parity."""

import doctest
from typing import Any

import pytest

from lamina.errors import ArgumentError
from lamina.optimizers import PiecewiseConstant, schedules
from lamina.optimizers.schedules import piecewise


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        (PiecewiseConstant([2], [1.0, 0.5]), [8, 8, 4, 4]),
        (PiecewiseConstant([1, 3, 4], (0.5, 2.0, 1.0, 0.25)), [4, 16, 16, 8, 2, 2]),
    ],
    ids=repr,
)
def test_rates(schedule: Any, rates: list[float]) -> None:
    assert [schedule.rate(count, 8.0) for count in range(len(rates))] == pytest.approx(rates, abs=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: PiecewiseConstant([3, 2], [1.0, 0.5, 0.1]),
            "PiecewiseConstant: expected milestones to be rising counts, got [3, 2]",
        ),
        (
            lambda: PiecewiseConstant([2], [1.0]),
            "PiecewiseConstant: expected factors to be 2 numbers, one for each stretch, got [1.0]",
        ),
        (
            lambda: PiecewiseConstant([2], 0.5),  # type: ignore[arg-type]
            "PiecewiseConstant: expected factors to be 2 numbers, one for each stretch, got 0.5",
        ),
        (
            lambda: PiecewiseConstant([2], [1.0, 0.0]),
            "PiecewiseConstant: expected each of factors to be a number above 0, got 0.0",
        ),
    ],
)
def test_settings_out_of_range_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        make()
    assert str(caught.value) == message


def test_it_prints_as_it_is_made() -> None:
    assert repr(PiecewiseConstant([2], [1.0, 0.5], per="step")) == "PiecewiseConstant((2,), (1.0, 0.5), per='step')"


def test_it_is_found_by_name() -> None:
    assert schedules.find("piecewise_constant") is PiecewiseConstant


def test_the_example_in_the_docstring() -> None:
    assert doctest.testmod(piecewise) == (0, 2)


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # As for every schedule.
    assert defaults(PiecewiseConstant) == {"per": "epoch"}
