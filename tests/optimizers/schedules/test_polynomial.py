"""PolynomialDecay, by numbers counted by hand; torch's and Keras's are compared with in tests/parity."""

import doctest
from typing import Any

import pytest

from lamina.errors import ArgumentError
from lamina.optimizers import PolynomialDecay, schedules
from lamina.optimizers.schedules import polynomial


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        (PolynomialDecay(4), [8, 6, 4, 2, 0, 0]),
        (PolynomialDecay(4, 2.0), [8, 4.5, 2, 0.5, 0, 0]),
        (PolynomialDecay(4, 0.5, floor=2.0), [8, 2 + 6 * 0.75**0.5, 2 + 6 * 0.5**0.5, 5, 2, 2]),
        # Of 4 steps, then of 8, then of 12.
        (PolynomialDecay(4, cycle=True), [8, 6, 4, 2, 0, 3, 2, 1, 0, 2]),
        (PolynomialDecay(4, 2.0, floor=2.0, cycle=True), [8, 5.375, 3.5, 2.375, 2, 2 + 6 * (3 / 8) ** 2]),
    ],
    ids=repr,
)
def test_rates(schedule: Any, rates: list[float]) -> None:
    assert [schedule.rate(count, 8.0) for count in range(len(rates))] == pytest.approx(rates, abs=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PolynomialDecay(0), "PolynomialDecay: expected duration to be a whole number of 1 or more, got 0"),
        (lambda: PolynomialDecay(5, 0.0), "PolynomialDecay: expected power to be a number above 0, got 0.0"),
        (lambda: PolynomialDecay(5, 1, -1), "PolynomialDecay: expected floor to be a number of at least 0, got -1"),
        (lambda: PolynomialDecay(5, cycle="yes"), "PolynomialDecay: expected cycle to be True or False, got 'yes'"),
    ],
)
def test_settings_out_of_range_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        make()
    assert str(caught.value) == message


def test_it_prints_as_it_is_made() -> None:
    assert repr(PolynomialDecay(9, 2.0)) == "PolynomialDecay(9, power=2.0)"


def test_it_is_found_by_name() -> None:
    assert schedules.find("polynomial_decay") is PolynomialDecay


def test_the_example_in_the_docstring() -> None:
    assert doctest.testmod(polynomial) == (0, 2)


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # PyTorch's power; down to nothing.
    assert defaults(PolynomialDecay) == {"power": 1.0, "floor": 0.0, "per": "epoch", "cycle": False}
