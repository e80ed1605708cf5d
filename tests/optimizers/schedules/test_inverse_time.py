"""InverseTimeDecay, by numbers counted by hand; torch's are compared with in tests/parity."""

import doctest
from typing import Any

import pytest

from lamina.errors import ArgumentError
from lamina.optimizers import InverseTimeDecay, schedules
from lamina.optimizers.schedules import inverse_time


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        (InverseTimeDecay(1), [8, 4, 8 / 3, 2]),
        (InverseTimeDecay(2, 0.5), [8, 6.4, 8 / 1.5, 8 / 1.75, 4]),
        (InverseTimeDecay(2, 3.0, staircase=True), [8, 8, 2, 2, 8 / 7]),
    ],
    ids=repr,
)
def test_rates(schedule: Any, rates: list[float]) -> None:
    assert [schedule.rate(count, 8.0) for count in range(len(rates))] == pytest.approx(rates, abs=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: InverseTimeDecay(0), "InverseTimeDecay: expected every to be a whole number of 1 or more, got 0"),
        (lambda: InverseTimeDecay(5, 0.0), "InverseTimeDecay: expected factor to be a number above 0, got 0.0"),
        (
            lambda: InverseTimeDecay(5, staircase="no"),  # type: ignore[arg-type]
            "InverseTimeDecay: expected staircase to be True or False, got 'no'",
        ),
    ],
)
def test_settings_out_of_range_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        make()
    assert str(caught.value) == message


def test_it_prints_as_it_is_made() -> None:
    assert repr(InverseTimeDecay(9, 2.0)) == "InverseTimeDecay(9, factor=2.0)"


def test_it_is_found_by_name() -> None:
    assert schedules.find("inverse_time_decay") is InverseTimeDecay


def test_the_example_in_the_docstring() -> None:
    assert doctest.testmod(inverse_time) == (0, 2)


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # Halved after every; Keras's staircase.
    assert defaults(InverseTimeDecay) == {"factor": 1.0, "staircase": False, "per": "epoch"}
