"""The states of all alignments of labels with steps, for CTC: what leads up to each, and what follows it.

Blanks 0 to n stand before labels 0 to n - 1 in an array of 2 w numbers, w being more than n. Emissions are w numbers a
step: those of the labels, and the blank's as number n.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lamina.backends.numba.engine.memory import array_at, compiled, separate, summing, uint

__all__ = ["IMPOSSIBLE", "logarithmic", "numbers_at", "scaled"]

# What float64 cannot hold is lost, 1e-308 a state and step: nothing beside a sum over all states that is above this.
_LEAST = 1e-270
#: The logarithm of a probability of 0: finite, so that no difference of two is NaN.
IMPOSSIBLE = -1e30


@summing
def _ahead(n: Any, blank: Any, emissions: Any, skips: Any, before: Any, labels: Any, blanks_now: Any, now: Any) -> Any:
    """Write the states after a step, of blanks and labels before it; return their sum."""
    separate()
    blanks_now[0] = before[0] * blank
    total = blanks_now[0]
    if n > 0:
        now[0] = (labels[0] + before[0]) * emissions[0]
        total += now[0]
    for i in range(1, n):
        blanks_now[i] = (before[i] + labels[uint(i - 1)]) * blank
        now[i] = (labels[i] + before[i] + skips[i] * labels[uint(i - 1)]) * emissions[i]
        total += blanks_now[i] + now[i]
    if n > 0:
        blanks_now[n] = (before[n] + labels[uint(n - 1)]) * blank
        total += blanks_now[n]
    return total


@summing
def _behind(n: Any, blank: Any, emissions: Any, skips: Any, after: Any, labels: Any, blanks_now: Any, now: Any) -> Any:
    """Write what follows the states before a step, of what follows those after it; return the sum."""
    separate()
    total = 0.0
    for i in range(n):
        reached = after[i] * blank + labels[i] * emissions[i]
        blanks_now[i] = reached
        now[i] = labels[i] * emissions[i] + after[uint(i + 1)] * blank
        now[i] += skips[uint(i + 1)] * labels[uint(i + 1)] * emissions[uint(i + 1)]  # past the last label it is 0
        total += reached + now[i]
    blanks_now[n] = after[n] * blank
    return total + blanks_now[n]


@compiled
def _scale(count: Any, factor: Any, array: Any) -> None:
    separate()
    for i in range(count):
        array[i] *= factor


@summing
def _meet(count: Any, array: Any, other: Any) -> Any:
    """Multiply an array by another; return the sum."""
    separate()
    total = 0.0
    for i in range(count):
        array[i] *= other[i]
        total += array[i]
    return total


@compiled
def _start(n: Any, states: Any, blanks: Any, first: Any, place: Any, one: Any, zero: Any) -> None:
    """Let all states be impossible but a blank."""
    for i in range(2 * states):
        blanks[first + i] = zero
    blanks[first + place] = one


@compiled
def numbers_at(address: Any, count: Any) -> Any:
    """Return the float64 at an address."""
    return array_at(address, count, np.float64)


@compiled
def scaled(n: Any, steps: Any, w: Any, at: Any, emissions_at: Any, pair: Any, skips: Any) -> Any:
    """Turn emissions into each state's share of all alignments; return their logarithm, NaN where some may be lost."""
    likelihood, row = 0.0, 16 * w
    before = pair
    _start(n, w, numbers_at(pair, 4 * w), 0, 0, 1.0, 0.0)
    for t in range(steps):
        own, e = at + row * t, numbers_at(emissions_at + 8 * w * t, w)
        for i in range(2 * w):
            numbers_at(own, 2 * w)[i] = 0.0
        own_blanks, own_labels = numbers_at(own, w), numbers_at(own + 8 * w, w)
        blanks, labels = numbers_at(before, w), numbers_at(before + 8 * w, w)
        total = _ahead(n, e[n], e, skips, blanks, labels, own_blanks, own_labels)
        if not total > 0:
            return math.nan
        _scale(2 * w, 1 / total, numbers_at(own, 2 * w))
        likelihood += math.log(total)
        before = own
    last = numbers_at(before, 2 * w)
    ends = last[n] + (last[w + n - 1] if n > 0 else 0.0)
    if not ends > _LEAST:
        return math.nan
    likelihood += math.log(ends)
    after, now = pair, pair + row
    _start(n, w, numbers_at(pair, 4 * w), 0, n, 1.0, 0.0)
    if n > 0:
        numbers_at(pair, 2 * w)[w + n - 1] = 1.0
    for t in range(steps - 1, -1, -1):
        own = numbers_at(at + row * t, 2 * w)
        total = _meet(2 * w, own, numbers_at(after, 2 * w))
        if not total > _LEAST:
            return math.nan
        _scale(2 * w, 1 / total, own)
        e = numbers_at(emissions_at + 8 * w * t, w)
        for i in range(2 * w):
            numbers_at(now, 2 * w)[i] = 0.0
        own_blanks, own_labels = numbers_at(now, w), numbers_at(now + 8 * w, w)
        blanks, labels = numbers_at(after, w), numbers_at(after + 8 * w, w)
        total = _behind(n, e[n], e, skips, blanks, labels, own_blanks, own_labels)
        if total > 0:
            _scale(2 * w, 1 / total, numbers_at(now, 2 * w))
        after, now = now, after
    return likelihood


@compiled
def _log_add(a: Any, b: Any) -> Any:
    return max(a, b) + math.log1p(math.exp(-abs(a - b)))


@compiled
def logarithmic(n: Any, steps: Any, w: Any, at: Any, emissions_at: Any, pair: Any, skips: Any) -> Any:
    """As `scaled`, of logarithms of emissions; nothing is lost."""
    before = numbers_at(pair, 2 * w)
    _start(n, w, before, 0, 0, 0.0, IMPOSSIBLE)
    for t in range(steps):
        own, e = numbers_at(at + 16 * w * t, 2 * w), numbers_at(emissions_at + 8 * w * t, w)
        for i in range(n + 1):
            reached = _log_add(before[i], before[w + i - 1]) if i > 0 else before[0]
            own[i] = reached + e[n]
            if i < n:
                entered = reached if skips[i] != 0 else before[i]
                own[w + i] = _log_add(before[w + i], entered) + e[i]
        before = own
    likelihood = _log_add(before[n], before[w + n - 1]) if n > 0 else before[0]
    after, now = numbers_at(pair, 2 * w), numbers_at(pair + 16 * w, 2 * w)
    _start(n, w, after, 0, n, 0.0, IMPOSSIBLE)
    if n > 0:
        after[w + n - 1] = 0.0
    for t in range(steps - 1, -1, -1):
        own, e = numbers_at(at + 16 * w * t, 2 * w), numbers_at(emissions_at + 8 * w * t, w)
        for i in range(n + 1):
            own[i] = math.exp(own[i] + after[i] - likelihood)
            if i < n:
                own[w + i] = math.exp(own[w + i] + after[w + i] - likelihood)
        for i in range(n + 1):
            now[i] = after[i] + e[n]
            if i < n:
                into = after[w + i] + e[i]
                now[i] = _log_add(now[i], into)
                now[w + i] = _log_add(into, after[i + 1] + e[n])
                if i + 1 < n and skips[i + 1] != 0:
                    now[w + i] = _log_add(now[w + i], after[w + i + 1] + e[i + 1])
        after, now = now, after
    return likelihood
