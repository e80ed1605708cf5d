"""What losses over classes share: a row's largest logit, its exponentials and their sum, NaN and infinity seen."""

from __future__ import annotations

import math
from typing import Any

from lamina.backends.numba.engine.elements import exponential
from lamina.backends.numba.engine.memory import compiled, separate, summing, uint

__all__ = ["below", "largest_of", "odds"]


@compiled
def _more(one: Any, most: Any) -> Any:
    """Return the larger number, or NaN where either is."""
    return one if one > most or one != one else most


@compiled
def largest_of(features: Any, z: Any) -> Any:
    """Return the largest of some numbers, or NaN where one is."""
    separate()
    most, first = z[0], 1
    if features >= 8:  # as four, so that none waits
        a, b, c, d = z[0], z[1], z[2], z[3]
        first = features // 4 * 4
        for j in range(4, first, 4):
            a, b = _more(z[uint(j)], a), _more(z[uint(j + 1)], b)
            c, d = _more(z[uint(j + 2)], c), _more(z[uint(j + 3)], d)
        most = _more(_more(a, b), _more(c, d))
    for j in range(first, features):
        most = _more(z[uint(j)], most)
    return most


@compiled
def below(z: Any, most: Any) -> Any:
    """Return z less the largest: where that is infinite the limit, 0 for its equals and -infinity for all others."""
    if most - most == 0 or most != most:
        return z - most
    return type(z)(0) if z == most else type(z)(-math.inf)


@summing
def _sum(features: Any, e: Any) -> Any:
    separate()
    total = e.dtype.type(0)
    for j in range(features):
        total += e[j]
    return total


@compiled
def _exponentials(features: Any, most: Any, z: Any, e: Any) -> None:
    separate()
    if most - most == 0:
        for j in range(features):
            e[j] = exponential(z[j] - most)
    else:
        for j in range(features):
            e[j] = exponential(below(z[j], most))


@compiled
def odds(features: Any, z: Any, e: Any) -> Any:
    """Write exp(z - the largest); return the largest and the sum."""
    most = largest_of(features, z)
    _exponentials(features, most, z, e)
    return most, _sum(features, e)
