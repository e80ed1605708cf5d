"""Connectionist temporal classification of one row after the other, by scaled probabilities in float64.

As NumPy's kernel: an emission is relative to the most probable of the row's labels and the blank in its step. What
leads up to each state is kept; on the way back it is met with what follows, and the gradient is written at once.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lamina.backends.numba.engine.algebra import clear, size_of
from lamina.backends.numba.engine.elements import exponential
from lamina.backends.numba.engine.memory import (
    array_at,
    compiled,
    fields,
    integers_at,
    record_at,
    separate,
    summing,
)
from lamina.backends.numba.engine.passes.rows import largest, power

__all__ = ["RECORD", "room_for"]

#: ``width`` is how many labels a row of ``labels`` has, ``blank`` a class. Of each row ``likelihoods`` has the
#: logarithm of the sum of all alignments, and ``least`` the least of all steps' sums. ``room`` is for one row.
RECORD = fields(
    "first last time classes width blank logits outer inner labels counts ends weights gradient likelihoods least room"
)
_record_at = record_at(RECORD)

# After so many steps what reaches each state is divided by the most.
_BETWEEN = 8

_LOG2E, _MAGIC = 1.4426950408889634, 6755399441055744.0
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_FACTORS = tuple(1 / math.factorial(k) for k in range(14))
(_F0, _F1, _F2, _F3, _F4, _F5, _F6, _F7, _F8, _F9, _F10, _F11, _F12, _F13) = _FACTORS


def room_for(time: int, width: int) -> int:
    """Return how many float64 one row needs."""
    return time * (3 * width + 3) + 6 * (width + 1) + time


@compiled
def _small(x: Any) -> Any:
    """Return e^x of a float64 that is not above 0, by its series, which a compiler can vectorize; 0 below e^-708."""
    shifted = x * _LOG2E + _MAGIC
    n = shifted - _MAGIC
    r = (x - n * _LN2_HIGH) - n * _LN2_LOW
    y = ((((((_F13 * r + _F12) * r + _F11) * r + _F10) * r + _F9) * r + _F8) * r + _F7) * r + _F6
    y = (((((y * r + _F5) * r + _F4) * r + _F3) * r + _F2) * r + _F1) * r + _F0
    return 0.0 if x < -708.0 else y * power(shifted)


@summing
def _exponentials(count: Any, most: Any, logits: Any, gradient: Any) -> Any:
    separate()
    total = logits.dtype.type(0)
    for k in range(count):
        gradient[k] = exponential(logits[k] - most)
        total += gradient[k]
    return total


@compiled
def _emissions(count: Any, blank: Any, logits: Any, labels: Any, found: Any) -> Any:
    """Write how probable each label and, last, the blank is beside the most probable; return that one's logit."""
    most = np.float64(logits[blank])
    found[count] = most
    for k in range(count):
        found[k] = np.float64(logits[labels[k]])
        most = max(most, found[k])
    _relative(count + 1, most, found)
    return most


@compiled
def _relative(count: Any, most: Any, found: Any) -> None:
    separate()
    for k in range(count):
        found[k] = _small(found[k] - most)


@compiled
def _ahead(
    count: Any, states: Any, blanks: Any, skips: Any, emissions: Any, into: Any, into_blanks: Any, after: Any
) -> None:
    """Write what reaches each label and each blank before its emission; then labels and blanks after it.

    ``states`` has a 0 before the first label; ``after`` is where the new ones are written, one place on.
    """
    separate()
    for k in range(count):
        into[k] = states[k + 1] + blanks[k] + states[k] * skips[k]
    for k in range(count + 1):
        into_blanks[k] = blanks[k] + states[k]
    for k in range(count):
        after[k + 1] = into[k] * emissions[k]
    blank = emissions[count]
    for k in range(count + 1):
        blanks[k] = into_blanks[k] * blank


@compiled
def _behind(
    count: Any, states: Any, blanks: Any, skips: Any, emissions: Any, into: Any, into_blanks: Any, after: Any
) -> Any:
    """As `_ahead`, from the end; what led up to each label is multiplied by what follows. Return the blanks' sum.

    ``states`` has a 0 behind the last label.
    """
    separate()
    blank, total = emissions[count], 0.0
    for k in range(count):
        here = states[k] + blanks[k + 1] + states[k + 1] * skips[k + 1]
        after[k] = here * emissions[k]
        into[k] *= after[k]
    for k in range(count + 1):
        here = (blanks[k] + states[k]) * blank
        total += into_blanks[k] * here
        blanks[k] = here
    return total


@compiled
def _scale(count: Any, states: Any, blanks: Any) -> Any:
    separate()
    most = 0.0
    for k in range(count + 1):
        most = max(most, max(states[k], blanks[k]))
    share = 1 / most
    for k in range(count + 1):
        states[k] *= share
        blanks[k] *= share
    return most


@compiled
def _scaled(count: Any, share: Any, gradient: Any) -> None:
    separate()
    for k in range(count):
        gradient[k] *= share


@compiled
def _row(p: Any, row: Any, dtype: Any) -> None:
    size, classes, time = size_of(dtype), p.classes, p.time
    steps = min(integers_at(p.ends, row + 1)[row], time) if p.ends != 0 else time
    count = integers_at(p.counts, row + 1)[row]
    labels = integers_at(p.labels + 8 * row * p.width, max(p.width, 1))
    wide, own = count + 1, p.gradient + size * row * time * classes
    clear((time - steps) * classes, own + size * steps * classes, dtype)
    skips, place = array_at(p.room, wide + 1, np.float64), p.room + 8 * (wide + 1)
    blanks, place = array_at(place, wide, np.float64), place + 8 * wide
    one, other, place = place, place + 8 * wide, place + 16 * wide
    emissions, into, into_blanks = place, place + 8 * time * wide, place + 16 * time * wide
    totals = array_at(place + 24 * time * wide, max(time, 1), np.float64)
    skips[0], skips[count] = 0, 0
    for k in range(1, count):
        skips[k] = 1 if labels[k] != labels[k - 1] else 0
    states, after = array_at(one, wide, np.float64), array_at(other, wide, np.float64)
    for k in range(wide):
        states[k], blanks[k], after[k] = 0, 0, 0
    blanks[0] = 1
    likelihood, least = 0.0, 1.0
    for t in range(steps):
        logits = array_at(p.logits + size * (row * p.outer + t * p.inner), classes, dtype)
        most = largest(logits, classes)
        total = _exponentials(classes, most, logits, array_at(own + size * t * classes, classes, dtype))
        totals[t] = total
        seen = array_at(emissions + 8 * t * wide, wide, np.float64)
        likelihood += _emissions(count, p.blank, logits, labels, seen) - np.float64(most) - math.log(totals[t])
        states, after = array_at(one, wide, np.float64), array_at(other, wide, np.float64)
        if t > 0 and t % _BETWEEN == 0:
            likelihood += math.log(_scale(count, states, blanks))
        _ahead(
            count, states, blanks, skips, seen, array_at(into + 8 * t * wide, wide, np.float64),
            array_at(into_blanks + 8 * t * wide, wide, np.float64), after,
        )  # fmt: skip
        one, other = other, one
    states = array_at(one, wide, np.float64)
    likelihood += math.log(blanks[count] + states[count])
    for k in range(wide):
        states[k], blanks[k] = 0, 0
    after = array_at(other, wide, np.float64)
    after[count], blanks[count] = 0, 1
    weight = np.float64(array_at(p.weights, row + 1, dtype)[row])
    for back in range(steps):
        t = steps - 1 - back
        states, after = array_at(one, wide, np.float64), array_at(other, wide, np.float64)
        if back > 0 and back % _BETWEEN == 0:
            _scale(count, states, blanks)
        met = array_at(into + 8 * t * wide, wide, np.float64)
        through = _behind(
            count, states, blanks, skips, array_at(emissions + 8 * t * wide, wide, np.float64), met,
            array_at(into_blanks + 8 * t * wide, wide, np.float64), after,
        )  # fmt: skip
        total = through
        for k in range(count):
            total += met[k]
        least = min(least, total)
        gradient, share = array_at(own + size * t * classes, classes, dtype), weight / total
        _scaled(classes, dtype(weight / totals[t]), gradient)
        for k in range(count):
            gradient[labels[k]] -= dtype(met[k] * share)
        gradient[p.blank] -= dtype(through * share)
        one, other = other, one
    array_at(p.likelihoods, row + 1, np.float64)[row] = likelihood
    array_at(p.least, row + 1, np.float64)[row] = least


@compiled
def _forward(address: Any, dtype: Any) -> None:
    p = _record_at(address)
    for row in range(p.first, p.last):
        _row(p, row, dtype)


def forward_float32(address: Any) -> None:
    """Compute the likelihoods, and the gradient."""
    _forward(address, np.float32)


def forward_float64(address: Any) -> None:
    """Compute the likelihoods, and the gradient."""
    _forward(address, np.float64)
