"""The line search: both conditions hold where it says so, and what is no number is too far."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from lamina.optimization.line_search import Point, strong_wolfe

# Functions of a step, each going down at 0: their values and slopes.
FUNCTIONS: dict[str, Callable[[float], tuple[float, float]]] = {
    "quadratic": lambda t: ((t - 3) ** 2, 2 * (t - 3)),
    "quartic": lambda t: ((t - 1) ** 4, 4 * (t - 1) ** 3),
    "waves": lambda t: (math.sin(3 * t) - 2 * t + 0.3 * t**2, 3 * math.cos(3 * t) - 2 + 0.6 * t - 3),
    # Of the search's best known test (More and Thuente, 1994): the slope says little of where the minimum is.
    "more": lambda t: (-t / (t**2 + 2), (t**2 - 2) / (t**2 + 2) ** 2),
    "wall": lambda t: (-t, -1.0) if t < 0.7 else (math.inf, math.nan),
    "wall before a minimum": lambda t: ((t - 0.6) ** 2, 2 * (t - 0.6)) if t < 0.65 else (math.nan, math.nan),
}
FUNCTIONS["down and down"] = lambda t: (-t - t * t, -1 - 2 * t)
FUNCTIONS["waves"] = lambda t: (math.sin(3 * t) - 4 * t + 0.3 * t**2, 3 * math.cos(3 * t) - 4 + 0.6 * t)


def search(name: str, step: float, **options: Any) -> tuple[Point, int, list[float]]:
    seen: list[float] = []

    def evaluate(step: float) -> Point:
        seen.append(step)
        return Point(step, *FUNCTIONS[name](step), gradient=step)

    found, tried = strong_wolfe(evaluate, Point(0.0, *FUNCTIONS[name](0.0)), step, 1.0, **options)
    return found, tried, seen


@pytest.mark.parametrize("step", [1e-3, 0.1, 1.0, 10.0, 1e3])
@pytest.mark.parametrize("name", ["quadratic", "quartic", "waves", "more", "wall before a minimum"])
def test_both_conditions_hold(name: str, step: float) -> None:
    found, tried, seen = search(name, step)
    (start, slope), (loss, other) = FUNCTIONS[name](0.0), FUNCTIONS[name](found.step)
    assert (found.loss, found.slope, found.gradient) == (loss, other, found.step)
    assert loss <= start + 1e-4 * found.step * slope
    assert abs(other) <= 0.9 * abs(slope)
    assert len(seen) == tried <= 25


def test_a_first_step_that_is_good_is_taken() -> None:
    assert search("quadratic", 1.0) == (Point(1.0, 4.0, -4.0, 1.0), 1, [1.0])


def test_a_cubic_is_met_at_once() -> None:
    """From too far, the second step is the least of the cubic through both ends; of a quadratic that is its own."""
    found, tried, _ = search("quadratic", 100.0, change_tolerance=0.0)
    # 3 lies in the tenth of [0, 100] beside its end: the first time it is tried none the less.
    assert (found.step, tried) == (pytest.approx(3.0, rel=1e-12), 2)


def test_beyond_a_wall_nothing_is_taken() -> None:
    found, tried, seen = search("wall", 1.0)
    assert found.step == max(step for step in seen if step < 0.7)
    assert found.loss == -found.step
    assert tried == len(seen) <= 26


@pytest.mark.parametrize("most", [1, 2, 5])
def test_no_more_points_are_tried_than_allowed(most: int) -> None:
    found, tried, seen = search("wall", 1e6, most=most)
    assert tried == len(seen) == most + 1
    assert found.loss <= 0


def test_an_interval_that_moves_nothing_is_not_cut_further() -> None:
    _, few, _ = search("wall", 1.0, change_tolerance=0.2)
    _, many, _ = search("wall", 1.0, change_tolerance=1e-9)
    assert few < many


@pytest.mark.parametrize("most", [1, 2, 4])
def test_where_it_goes_down_and_down_the_furthest_point_is_taken(most: int) -> None:
    found, tried, seen = search("down and down", 1.0, most=most)
    assert found.step == max(seen) and tried == len(seen) == most + 1
