"""The line search: how far to go along a direction, so that the strong Wolfe conditions hold."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["Point", "strong_wolfe"]

_SUFFICIENT = 1e-4  # c1: the share of the first slope by which the loss must fall at least
_FLATTER = 0.9  # c2: the share of the first slope that the slope may have at most


class Point(NamedTuple):
    """A place along a direction.

    Attributes
    ----------
    step : float
        How many times the direction it is from the start.
    loss, slope : float
        The slope is the gradient times the direction.
    gradient : object
        Handed on.
    """

    step: float
    loss: float
    slope: float
    gradient: Any = None


def strong_wolfe(
    evaluate: Callable[[float], Point],
    start: Point,
    step: float,
    size: float,
    *,
    change_tolerance: float = 1e-9,
    most: int = 25,
) -> tuple[Point, int]:
    """Return a point where the loss has fallen enough and the slope is flat enough, and how many were tried.

        loss <= loss_0 + 1e-4 step slope_0              and  abs(slope) <= 0.9 abs(slope_0)

    First the step grows until an interval is known that holds such a point; then the interval shrinks. Each step is
    the least of the cubic through two points and their slopes (Nocedal and Wright, 2006: algorithms 3.5 and 3.6, and
    equation 3.59), kept a tenth of the interval away from its ends where it stays near one. The bounds are those of
    PyTorch's search, and so are the steps, but that there an end whose loss is lower, though not by enough, may take
    the place of the good one. What is no finite number counts as too far.

    Parameters
    ----------
    evaluate : callable
        Returns the point at a step.
    start : Point
        At step 0, with a slope below 0.
    step : float
        The first to be tried.
    size : float
        The direction's largest element: an interval that moves nothing by more than the tolerance is not cut further.
    change_tolerance : float
    most : int
        How many more points may be tried than the first. Where none is good enough, the best end of the interval is
        returned, which may be the start.
    """
    before, here, tried = start, _sound(evaluate(step)), 1
    found = None
    while tried <= most:
        if _is_too_high(here, start) or (tried > 2 and here.loss >= before.loss):
            found = before, here
            break
        if _is_flat(here, start):
            return here, tried
        if here.slope >= 0:
            found = here, before
            break
        bounds = here.step + 0.01 * (here.step - before.step), here.step * 10
        before, here = here, _sound(evaluate(_lowest(before, here, bounds)))
        tried += 1
    # The low end has always fallen enough, and its slope leads into the interval.
    low, high = found or ((start, here) if start.loss <= here.loss else (here, start))
    stays = False
    while found and tried <= most and abs(high.step - low.step) * size >= change_tolerance:
        least, largest = sorted((low.step, high.step))
        step, margin = _lowest(low, high, (least, largest)), 0.1 * (largest - least)
        near = min(largest - step, step - least) < margin
        if near and (stays or not least < step < largest):
            step = largest - margin if largest - step < step - least else least + margin
            near = False
        stays = near
        here, tried = _sound(evaluate(step)), tried + 1
        if _is_too_high(here, start) or here.loss >= low.loss:
            high = here
            continue
        if _is_flat(here, start):
            return here, tried
        if here.slope * (high.step - low.step) >= 0:
            high = low
        low = here
    return low, tried


def _sound(point: Point) -> Point:
    if math.isfinite(point.loss) and math.isfinite(point.slope):
        return point
    return point._replace(loss=math.inf, slope=math.inf)


def _is_too_high(here: Point, start: Point) -> bool:
    return here.loss > start.loss + _SUFFICIENT * here.step * start.slope


def _is_flat(here: Point, start: Point) -> bool:
    return abs(here.slope) <= -_FLATTER * start.slope


def _lowest(one: Point, other: Point, bounds: tuple[float, float]) -> float:
    """Return where the cubic through two points and their slopes is least, within bounds; their middle without one."""
    left, right = (one, other) if one.step <= other.step else (other, one)
    middle, width = (bounds[0] + bounds[1]) / 2, right.step - left.step
    if not (math.isfinite(left.loss) and math.isfinite(right.loss)) or width == 0:
        return middle
    first = left.slope + right.slope - 3 * (left.loss - right.loss) / (left.step - right.step)
    square = first**2 - left.slope * right.slope
    if square < 0:
        return middle
    root = math.sqrt(square)
    divisor = right.slope - left.slope + 2 * root
    if divisor == 0:
        return middle
    return min(max(right.step - width * ((right.slope + root - first) / divisor), bounds[0]), bounds[1])
