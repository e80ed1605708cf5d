"""The schedules, by numbers counted by hand; torch's are compared with in tests/parity."""

import doctest
import math
from typing import Any

import pytest

from lamina.errors import ArgumentError, UnknownNameError
from lamina.optimizers import (
    CosineDecay,
    ExponentialDecay,
    LinearDecay,
    LinearWarmup,
    MultiStepDecay,
    OneCycle,
    ReduceOnPlateau,
    Schedule,
    StepDecay,
    schedules,
)

HALF = math.sqrt(0.5) / 2


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        (StepDecay(2, 0.5), [8, 8, 4, 4, 2, 2, 1]),
        (MultiStepDecay([1, 4], 0.5), [8, 4, 4, 4, 2, 2]),
        (ExponentialDecay(0.5), [8, 4, 2, 1]),
        (LinearDecay(4), [8, 6, 4, 2, 0, 0]),
        (LinearDecay(3, floor=2.0), [8, 6, 4, 2, 2]),
        (CosineDecay(4), [8, 4 + 8 * HALF, 4, 4 - 8 * HALF, 0, 0]),
        (CosineDecay(2, floor=2.0), [8, 5, 2, 2]),
        (CosineDecay(2, restarts=True), [8, 4, 8, 4, 8]),
        (CosineDecay(1, restarts=True, growth=2), [8, 8, 4, 8, 4 + 8 * HALF, 4, 4 - 8 * HALF, 8]),
        (CosineDecay(2, restarts=True, factor=0.5), [8, 4, 4, 2, 2, 1, 1]),
        (CosineDecay(1, 4.0, restarts=True, growth=2, factor=0.5), [8, 6, 5, 5, 4.5 + HALF, 4.5, 4.5 - HALF, 4.5]),
        (LinearWarmup(4, start=0.0), [0, 2, 4, 6, 8, 8]),
        (LinearWarmup(2, StepDecay(2, 0.5), start=0.5), [4, 6, 8, 8, 4, 4]),
        (LinearWarmup(1, LinearWarmup(2, LinearDecay(2), start=0.0), start=0.5), [4, 0, 4, 8, 4, 0]),
        (OneCycle(10, 0.3, 4.0, 8.0), [2, 5, 8]),
        (OneCycle(5, 0.6, 4.0, 8.0), [2, 5, 8, 4.5, 1, 1, 1]),
        (OneCycle(1), [8]),
        (OneCycle(5, 0.6, 4.0, 8.0, annealing="linear"), [2, 5, 8, 4.5, 1, 1]),
        (OneCycle(9, 1 / 3, 4.0, 8.0, annealing="linear", three_phase=True), [2, 5, 8, 5, 2, 1.75, 1.5, 1.25, 1, 1]),
        (OneCycle(9, 1 / 3, 4.0, 8.0, three_phase=True), [2, 5, 8, 5, 2]),
        (OneCycle(3, 0.1, 4.0, 8.0, three_phase=True), [8, 1.5, 1, 1]),
    ],
    ids=repr,
)
def test_rates(schedule: Any, rates: list[float]) -> None:
    assert [schedule.rate(count, 8.0) for count in range(len(rates))] == pytest.approx(rates, abs=1e-12)


def test_counts_far_on_are_no_work() -> None:
    assert CosineDecay(1, restarts=True).rate(10**15, 1.0) == 1.0
    assert CosineDecay(3, restarts=True, growth=2).rate(10**15, 1.0) <= 1.0
    assert CosineDecay(1, 0.25, restarts=True, factor=0.9).rate(10**15, 1.0) == 0.25


@pytest.mark.parametrize(
    ("name", "cls"),
    [("step_decay", StepDecay), ("OneCycle", OneCycle), ("reduce_on_plateau", ReduceOnPlateau)],
)
def test_they_are_found_by_name(name: str, cls: type) -> None:
    assert schedules.find(name) is cls


def test_a_name_that_is_none_is_told_the_nearest() -> None:
    with pytest.raises(
        UnknownNameError, match=r"^unknown schedule 'cosine_deca': did you mean 'CosineDecay'\? Known: "
    ):
        schedules.find("cosine_deca")


def test_every_schedule_has_a_name() -> None:
    own = {name for name in schedules.__all__ if name not in ("Schedule", "find")}
    assert own <= set(Schedule.registry.names())


@pytest.mark.parametrize(
    ("schedule", "text"),
    [
        (StepDecay(5), "StepDecay(5)"),
        (MultiStepDecay([5, 8], per="step"), "MultiStepDecay((5, 8), per='step')"),
        (ExponentialDecay(0.9), "ExponentialDecay(0.9)"),
        (LinearDecay(9, 0.1), "LinearDecay(9, floor=0.1)"),
        (LinearWarmup(5, CosineDecay(9, restarts=True)), "LinearWarmup(5, then=CosineDecay(9, restarts=True))"),
        (OneCycle(9, 0.5), "OneCycle(9, warmup=0.5)"),
    ],
)
def test_they_print_as_they_are_made(schedule: Schedule, text: str) -> None:
    assert repr(schedule) == text


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: StepDecay(0), "StepDecay: expected every to be a whole number of 1 or more, got 0"),
        (lambda: StepDecay(1, 0.0), "StepDecay: expected factor to be a number above 0, got 0.0"),
        (lambda: MultiStepDecay([3, 2]), "MultiStepDecay: expected milestones to be rising counts, got [3, 2]"),
        (lambda: MultiStepDecay([]), "MultiStepDecay: expected milestones to be rising counts, got []"),
        (lambda: MultiStepDecay(3), "MultiStepDecay: expected milestones to be rising counts, got 3"),  # type: ignore[arg-type]
        (
            lambda: MultiStepDecay([0.5, 1]),  # type: ignore[list-item]
            "MultiStepDecay: expected each milestone to be a whole number of 1 or more, got 0.5",
        ),
        (lambda: ExponentialDecay(-1.0), "ExponentialDecay: expected factor to be a number above 0, got -1.0"),
        (lambda: LinearDecay(5, -0.1), "LinearDecay: expected floor to be a number of at least 0, got -0.1"),
        (lambda: CosineDecay(5, growth=2), "CosineDecay: growth needs restarts=True"),
        (lambda: CosineDecay(5, factor=0.5), "CosineDecay: factor needs restarts=True"),
        (
            lambda: CosineDecay(5, restarts=True, factor=1.5),
            "CosineDecay: expected factor to be a number above 0 and of at most 1, got 1.5",
        ),
        (
            lambda: LinearWarmup(5, start=2.0),
            "LinearWarmup: expected start to be a number of at least 0 and of at most 1, got 2.0",
        ),
        (
            lambda: LinearWarmup(5, 0.5),  # type: ignore[arg-type]
            "LinearWarmup: expected then to be a Schedule, got 0.5",
        ),
        (
            lambda: LinearWarmup(5, CosineDecay(9), per="step"),
            "LinearWarmup: it counts by step, but CosineDecay(9) by epoch: give both one per",
        ),
        (lambda: OneCycle(5, 1.0), "OneCycle: expected warmup to be a number above 0 and below 1, got 1.0"),
        (
            lambda: OneCycle(5, 0.5, three_phase=True),
            "OneCycle: expected warmup to be below 0.5 with three_phase=True, got 0.5",
        ),
        (lambda: OneCycle(5, first_divisor=0.0), "OneCycle: expected first_divisor to be a number above 0, got 0.0"),
    ],
)
def test_settings_out_of_range_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        make()
    assert str(caught.value) == message


def test_the_examples_in_the_docstrings() -> None:
    assert doctest.testmod(schedules).failed == 0


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # PyTorch's eta_min and T_mult; Keras's m_mul.
    assert defaults(CosineDecay) == {
        "floor": 0.0,
        "restarts": False,
        "growth": 1,
        "per": "epoch",
        "factor": 1.0,
    }
    assert defaults(ExponentialDecay) == {"per": "epoch"}
    # Down to nothing.
    assert defaults(LinearDecay) == {"floor": 0.0, "per": "epoch"}
    # From a hundredth.
    assert defaults(LinearWarmup) == {"then": None, "start": 0.01, "per": "epoch"}
    # PyTorch's gamma.
    assert defaults(MultiStepDecay) == {"factor": 0.1, "per": "epoch"}
    # PyTorch's: its last rate is a 10,000th of the first.
    assert defaults(OneCycle) == {
        "warmup": 0.3,
        "first_divisor": 25.0,
        "last_divisor": 250000.0,
        "per": "epoch",
        "annealing": "cosine",
        "three_phase": False,
    }
    # PyTorch's gamma.
    assert defaults(StepDecay) == {"factor": 0.1, "per": "epoch"}
