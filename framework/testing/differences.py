"""Slopes measured by central differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np

from lamina.errors import ArgumentError
from lamina.testing.proofs.arrays import HostArray
from lamina.testing.report import CheckError

__all__ = ["BlurredError", "Place", "Stencil", "blur", "slopes", "stencil_of"]

# At how many points a value's rounding is looked at, and by how many roundings these are apart at most.
_POINTS, _ROUNDINGS = 12, 4
# By how much more than what was seen a value's rounding may hide a slope.
_MARGIN = 4

#: How far values are taken to both sides, and by what the difference of the two is multiplied.
Stencil: TypeAlias = list[tuple[float, float]]


class BlurredError(CheckError):
    """A gradient can be neither proven nor refuted: rounding moves the values as much as a step does."""


class Place(NamedTuple):
    """An input or a parameter: its value, its claimed gradient, and how to put another value there."""

    name: str
    value: HostArray
    gradient: HostArray
    put: Callable[[HostArray], None]


def stencil_of(points: int, step: float) -> Stencil:
    """Return the central difference of 2 or 4 points: it errs by h^2 f'''/6, or h^4 f'''''/30, h being the step.

    Raises
    ------
    ArgumentError
        If there is none of so many points.
    """
    if points == 2:
        return [(step, 1 / (2 * step))]
    if points == 4:
        return [(step, 2 / (3 * step)), (2 * step, -1 / (12 * step))]
    raise ArgumentError(f"check_gradients: expected 2 or 4 points, got {points!r}")


def slopes(
    evaluate: Callable[[], float], places: list[Place], stencil: Stencil, rng: np.random.Generator
) -> tuple[float, float]:
    """Return the slope along a random direction in all places together, measured, and as the gradients say it.

    Parameters
    ----------
    evaluate : callable
        Returns the value with what has been put in the places, which then have their own values again.
    places : list of Place
    stencil : from `stencil_of`
    rng : numpy Generator
        Draws the direction.
    """
    moves = [(place, rng.standard_normal(place.value.shape)) for place in places]

    def value_at(distance: float) -> float:
        for place, direction in moves:
            place.put(place.value + distance * direction)
        return evaluate()

    try:
        measured = sum(weight * (value_at(distance) - value_at(-distance)) for distance, weight in stencil)
    finally:
        for place in places:
            place.put(place.value)
    return measured, sum(float(np.sum(place.gradient * direction)) for place, direction in moves)


def blur(evaluate: Callable[[], float], place: Place, stencil: Stencil, rng: np.random.Generator) -> float:
    """Return by how much rounding may put a measured slope wrong: from the spread of values a few roundings apart.

    It is far above the value's own where a model enlarges it, as normalizing what is nothing but rounding does.
    """
    found = []
    try:
        for _ in range(_POINTS):
            apart = rng.integers(-_ROUNDINGS, _ROUNDINGS + 1, place.value.shape)
            place.put(place.value * (1 + apart * np.finfo(place.value.dtype).eps))
            found.append(evaluate())
    finally:
        place.put(place.value)
    return _MARGIN * (max(found) - min(found)) * sum(abs(weight) for _, weight in stencil)
