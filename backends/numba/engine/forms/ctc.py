"""Connectionist temporal classification: all alignments of labels with a row's steps, forward and backward.

States are blanks 0 to n with the labels 0 to n - 1 between them. Their probabilities are kept in float64, divided by
their sum at each step; a row of which that may have lost what counts is computed in logarithms.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lamina.backends.numba.engine.algebra import size_of
from lamina.backends.numba.engine.forms.loss import LossForm, loss_at, numbers_of
from lamina.backends.numba.engine.forms.odds import below, odds
from lamina.backends.numba.engine.frames import frame_at
from lamina.backends.numba.engine.memory import array_at, compiled, integers_at, loosely, separate, uint
from lamina.backends.numba.engine.room import Room, Task, address_of_array
from lamina.backends.program import Call

__all__ = ["CTCForm"]

# What float64 cannot hold is lost, 1e-308 a state and step: nothing beside a sum over all states that is above this.
_LEAST = 1e-270
# The logarithm of a probability of 0: finite, so that no difference of two is NaN.
_IMPOSSIBLE = -1e30


class CTCForm(LossForm):
    """Of logits over steps, for rows of labels (rows, width), padded."""

    labels = True

    def __init__(self, call: Call, room: Room, share: int, terms: int, total: int) -> None:
        super().__init__(call, room, share, terms, total)
        prediction, target, *_ = call.inputs
        steps, states = room.most(prediction) // max(room.rows, 1), target.features + 1
        # For each step the states and what each adds, its sum; then the states of two steps, and what may be skipped.
        self.record["first"] = address_of_array(room.take(steps * (3 * states + 1) + 5 * states, np.float64))
        self.record["second"] = steps

    @classmethod
    def refuses(cls, call: Call) -> str:
        """Return why a call has no compiled form."""
        prediction, target, *weights = call.inputs
        if prediction.frame is None or target.frame is not None:
            return "without steps"
        if any(one.frame is not None for one in weights):
            return "with weights of steps"
        return super().refuses(call)

    def numbers(self) -> list[float]:
        """Return the blank, the padding, and whether impossible labels cost nothing."""
        options = self.call.options
        return [options["blank"], options["padding"], float(options["zero_infinity"])]

    def counting(self) -> list[Task]:
        """Return what counts the rows with a step, or their weights."""
        return [self.task("count", self.record)]


@compiled
def _count(address: Any, dtype: Any) -> None:
    p = loss_at(address)
    frame, found = frame_at(p.frame), 0.0
    lengths, weights = integers_at(frame.lengths, frame.rows), array_at(p.row_weights, frame.rows, dtype)
    for k in range(frame.rows):
        if lengths[k] > 0:
            found += weights[k] if p.row_weights != 0 else dtype(1)
    array_at(p.terms, 1, np.float64)[0] += found


@loosely
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


@loosely
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


@loosely
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
def _f64(address: Any, count: Any) -> Any:
    return array_at(address, count, np.float64)


@compiled
def _scaled(n: Any, steps: Any, w: Any, at: Any, emissions_at: Any, pair: Any, skips: Any) -> Any:
    """Turn emissions into each state's share of all alignments; return their logarithm, NaN where some may be lost."""
    likelihood, row = 0.0, 16 * w
    before = pair
    _start(n, w, _f64(pair, 4 * w), 0, 0, 1.0, 0.0)
    for t in range(steps):
        own, e = at + row * t, _f64(emissions_at + 8 * w * t, w)
        for i in range(2 * w):
            _f64(own, 2 * w)[i] = 0.0
        total = _ahead(n, e[n], e, skips, _f64(before, w), _f64(before + 8 * w, w), _f64(own, w), _f64(own + 8 * w, w))
        if not total > 0:
            return math.nan
        _scale(2 * w, 1 / total, _f64(own, 2 * w))
        likelihood += math.log(total)
        before = own
    last = _f64(before, 2 * w)
    ends = last[n] + (last[w + n - 1] if n > 0 else 0.0)
    if not ends > _LEAST:
        return math.nan
    likelihood += math.log(ends)
    after, now = pair, pair + row
    _start(n, w, _f64(pair, 4 * w), 0, n, 1.0, 0.0)
    if n > 0:
        _f64(pair, 2 * w)[w + n - 1] = 1.0
    for t in range(steps - 1, -1, -1):
        own = _f64(at + row * t, 2 * w)
        total = _meet(2 * w, own, _f64(after, 2 * w))
        if not total > _LEAST:
            return math.nan
        _scale(2 * w, 1 / total, own)
        e = _f64(emissions_at + 8 * w * t, w)
        for i in range(2 * w):
            _f64(now, 2 * w)[i] = 0.0
        total = _behind(n, e[n], e, skips, _f64(after, w), _f64(after + 8 * w, w), _f64(now, w), _f64(now + 8 * w, w))
        if total > 0:
            _scale(2 * w, 1 / total, _f64(now, 2 * w))
        after, now = now, after
    return likelihood


@compiled
def _log_add(a: Any, b: Any) -> Any:
    return max(a, b) + math.log1p(math.exp(-abs(a - b)))


@compiled
def _logarithmic(n: Any, steps: Any, w: Any, at: Any, emissions_at: Any, pair: Any, skips: Any) -> Any:
    """As `_scaled`, of logarithms of emissions; nothing is lost."""
    before = _f64(pair, 2 * w)
    _start(n, w, before, 0, 0, 0.0, _IMPOSSIBLE)
    for t in range(steps):
        own, e = _f64(at + 16 * w * t, 2 * w), _f64(emissions_at + 8 * w * t, w)
        for i in range(n + 1):
            reached = _log_add(before[i], before[w + i - 1]) if i > 0 else before[0]
            own[i] = reached + e[n]
            if i < n:
                entered = reached if skips[i] != 0 else before[i]
                own[w + i] = _log_add(before[w + i], entered) + e[i]
        before = own
    likelihood = _log_add(before[n], before[w + n - 1]) if n > 0 else before[0]
    after, now = _f64(pair, 2 * w), _f64(pair + 16 * w, 2 * w)
    _start(n, w, after, 0, n, 0.0, _IMPOSSIBLE)
    if n > 0:
        after[w + n - 1] = 0.0
    for t in range(steps - 1, -1, -1):
        own, e = _f64(at + 16 * w * t, 2 * w), _f64(emissions_at + 8 * w * t, w)
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


@compiled
def _labels_of(labels: Any, width: Any, padding: Any, skips: Any) -> Any:
    """Return how many labels a row has, and write which may follow the one before without a blank."""
    n = 0
    while n < width and labels[n] != padding:
        skips[n] = 1.0 if n > 0 and labels[n] != labels[n - 1] else 0.0
        n += 1
    return n


@compiled
def _row(p: Any, k: Any, weight: Any, offsets: Any, steps: Any, dtype: Any) -> Any:
    """Write the gradient of a row; return its loss."""
    size, classes, numbers, w, most_steps = size_of(dtype), p.features, numbers_of(p), p.wide + 1, p.second
    blank = int(numbers[0])
    at, emissions_at = p.first, p.first + 16 * w * most_steps
    totals_at = emissions_at + 8 * w * most_steps
    pair = totals_at + 8 * most_steps
    totals, skips = _f64(totals_at, most_steps), _f64(pair + 32 * w, w)
    labels = integers_at(p.target + 8 * k * p.wide, p.wide)
    n = _labels_of(labels, p.wide, int(numbers[1]), skips)
    likelihood = 0.0
    for t in range(steps):
        place = size * (offsets[t] + k) * classes
        z, g = array_at(p.prediction + place, classes, dtype), array_at(p.gradient + place, classes, dtype)
        most, total = odds(classes, z, g)
        totals[t], e = total, _f64(emissions_at + 8 * w * t, w)
        peak = np.float64(z[blank])
        for i in range(n):
            e[i] = z[labels[i]]
            peak = max(peak, e[i])
        e[n] = z[blank]
        for i in range(n + 1):
            e[i] = math.exp(e[i] - peak)
        likelihood += peak - most - math.log(np.float64(total))
    likelihood += _scaled(n, steps, w, at, emissions_at, pair, skips)
    if not abs(likelihood) < math.inf:
        for t in range(steps):
            place = size * (offsets[t] + k) * classes
            z, e = array_at(p.prediction + place, classes, dtype), _f64(emissions_at + 8 * w * t, w)
            most, total = odds(classes, z, array_at(p.gradient + place, classes, dtype))
            logarithm = math.log(np.float64(total))
            for i in range(n):
                e[i] = max(np.float64(below(z[labels[i]], most)) - logarithm, _IMPOSSIBLE)
            e[n] = max(np.float64(below(z[blank], most)) - logarithm, _IMPOSSIBLE)
        likelihood = _logarithmic(n, steps, w, at, emissions_at, pair, skips)
    possible, unknown = likelihood > _IMPOSSIBLE / 2, 0.0
    for t in range(steps):
        if totals[t] != totals[t]:
            unknown = math.nan
    for t in range(steps):
        g = array_at(p.gradient + size * (offsets[t] + k) * classes, classes, dtype)
        if not possible:
            for j in range(classes):
                g[j] = unknown  # NaN is seen
            continue
        own, factor, of_blank = _f64(at + 16 * w * t, 2 * w), weight / dtype(totals[t]), 0.0
        for j in range(classes):
            g[j] *= factor
        for i in range(n + 1):
            of_blank += own[i]
        g[blank] -= weight * dtype(of_blank)
        for i in range(n):
            g[labels[i]] -= weight * dtype(own[w + i])
    if possible:
        return -likelihood * weight
    return 0.0 if numbers[2] != 0 else math.inf


@compiled
def _compute(address: Any, dtype: Any) -> None:
    p = loss_at(address)
    frame, size, classes, loss = frame_at(p.frame), size_of(dtype), p.features, 0.0
    rows, steps = frame.rows, frame.steps
    lengths, offsets = integers_at(frame.lengths, rows), integers_at(frame.offsets, steps + 1)
    weights, share = array_at(p.row_weights, rows, dtype), array_at(p.share, 1, np.float64)[0]
    for k in range(rows):
        weight = dtype(share) * (weights[k] if p.row_weights != 0 else dtype(1))
        if weight != 0 and lengths[k] > 0:
            loss += _row(p, k, weight, offsets, lengths[k], dtype)
            continue
        for t in range(lengths[k]):
            g = array_at(p.gradient + size * (offsets[t] + k) * classes, classes, dtype)
            for j in range(classes):
                g[j] = 0
    array_at(p.total, 1, np.float64)[0] = loss


def count_float32(address: Any) -> None:
    """Add up the rows with a step, or their weights."""
    _count(address, np.float32)


def count_float64(address: Any) -> None:
    """Add up the rows with a step, or their weights."""
    _count(address, np.float64)


def ctc_float32(address: Any) -> None:
    """Write the loss and the gradient."""
    _compute(address, np.float32)


def ctc_float64(address: Any) -> None:
    """Write the loss and the gradient."""
    _compute(address, np.float64)
