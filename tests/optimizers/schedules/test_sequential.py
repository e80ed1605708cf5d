"""SequentialSchedule, by numbers counted by hand; torch's are compared with in tests/parity."""

import doctest
from typing import Any

import pytest

from lamina.errors import ArgumentError
from lamina.optimizers import (
    ExponentialDecay,
    LinearDecay,
    LinearWarmup,
    ReduceOnPlateau,
    SequentialSchedule,
    StepDecay,
    schedules,
)
from lamina.optimizers.schedules import sequential


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        (SequentialSchedule(LinearDecay(2), LinearDecay(4), milestones=[3]), [8, 4, 0, 8, 6, 4, 2, 0]),
        (
            SequentialSchedule(StepDecay(1, 0.5), LinearWarmup(2, start=0.0), ExponentialDecay(0.5), milestones=(1, 4)),
            [8, 0, 4, 8, 8, 4, 2],
        ),
        (
            SequentialSchedule(
                StepDecay(1, 0.5),
                SequentialSchedule(LinearDecay(2), StepDecay(1, 0.25), milestones=[1]),
                milestones=[2],
            ),
            [8, 4, 8, 8, 2],
        ),
    ],
    ids=repr,
)
def test_rates(schedule: Any, rates: list[float]) -> None:
    assert [schedule.rate(count, 8.0) for count in range(len(rates))] == pytest.approx(rates, abs=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: SequentialSchedule(StepDecay(2), milestones=[]),
            "SequentialSchedule: expected two schedules or more, got 1",
        ),
        (
            lambda: SequentialSchedule(StepDecay(2), ReduceOnPlateau(), milestones=[3]),  # type: ignore[arg-type]
            "SequentialSchedule: expected each schedule to be a Schedule, got ReduceOnPlateau()",
        ),
        (
            lambda: SequentialSchedule(StepDecay(2), StepDecay(3), milestones=[3, 4]),
            "SequentialSchedule: expected milestones to be 1 for 2 schedules, got [3, 4]",
        ),
        (
            lambda: SequentialSchedule(StepDecay(2), StepDecay(3), StepDecay(4), milestones=[3, 3]),
            "SequentialSchedule: expected milestones to be rising counts, got [3, 3]",
        ),
        (
            lambda: SequentialSchedule(StepDecay(2), LinearDecay(3, per="step"), milestones=[3]),
            "SequentialSchedule: StepDecay(2) counts by epoch, but LinearDecay(3, per='step') by step: "
            "give all one per",
        ),
    ],
)
def test_what_cannot_be_strung_together_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        make()
    assert str(caught.value) == message


def test_it_prints_as_it_is_made() -> None:
    made = SequentialSchedule(StepDecay(2), LinearDecay(5), milestones=[3])
    assert repr(made) == "SequentialSchedule(StepDecay(2), LinearDecay(5), milestones=(3,))"


def test_it_is_found_by_name() -> None:
    assert schedules.find("sequential_schedule") is SequentialSchedule


def test_the_example_in_the_docstring() -> None:
    assert doctest.testmod(sequential) == (0, 3)
