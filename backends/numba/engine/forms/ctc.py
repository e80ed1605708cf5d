"""Connectionist temporal classification: all alignments of labels with a row's steps, forward and backward.

States are blanks 0 to n with the labels 0 to n - 1 between them. Their probabilities are kept in float64, divided by
their sum at each step; a row of which that may have lost what counts is computed in logarithms.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lamina.backends.numba.engine.algebra import size_of
from lamina.backends.numba.engine.forms.alignments import IMPOSSIBLE, logarithmic, numbers_at, scaled
from lamina.backends.numba.engine.forms.loss import LossForm, loss_at, numbers_of
from lamina.backends.numba.engine.forms.odds import below, odds
from lamina.backends.numba.engine.frames import frame_at
from lamina.backends.numba.engine.memory import array_at, compiled, integers_at
from lamina.backends.numba.engine.room import Room, Task, address_of_array
from lamina.backends.program import Call

__all__ = ["CTCForm"]


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
    totals, skips = numbers_at(totals_at, most_steps), numbers_at(pair + 32 * w, w)
    labels = integers_at(p.target + 8 * k * p.wide, p.wide)
    n = _labels_of(labels, p.wide, int(numbers[1]), skips)
    likelihood = 0.0
    for t in range(steps):
        place = size * (offsets[t] + k) * classes
        z, g = array_at(p.prediction + place, classes, dtype), array_at(p.gradient + place, classes, dtype)
        most, total = odds(classes, z, g)
        totals[t], e = total, numbers_at(emissions_at + 8 * w * t, w)
        peak = np.float64(z[blank])
        for i in range(n):
            e[i] = z[labels[i]]
            peak = max(peak, e[i])
        e[n] = z[blank]
        for i in range(n + 1):
            e[i] = math.exp(e[i] - peak)
        likelihood += peak - most - math.log(np.float64(total))
    likelihood += scaled(n, steps, w, at, emissions_at, pair, skips)
    if not abs(likelihood) < math.inf:
        for t in range(steps):
            place = size * (offsets[t] + k) * classes
            z, e = array_at(p.prediction + place, classes, dtype), numbers_at(emissions_at + 8 * w * t, w)
            most, total = odds(classes, z, array_at(p.gradient + place, classes, dtype))
            logarithm = math.log(np.float64(total))
            for i in range(n):
                e[i] = max(np.float64(below(z[labels[i]], most)) - logarithm, IMPOSSIBLE)
            e[n] = max(np.float64(below(z[blank], most)) - logarithm, IMPOSSIBLE)
        likelihood = logarithmic(n, steps, w, at, emissions_at, pair, skips)
    possible, unknown = likelihood > IMPOSSIBLE / 2, 0.0
    for t in range(steps):
        if totals[t] != totals[t]:
            unknown = math.nan
    for t in range(steps):
        g = array_at(p.gradient + size * (offsets[t] + k) * classes, classes, dtype)
        if not possible:
            for j in range(classes):
                g[j] = unknown  # NaN is seen
            continue
        own, factor, of_blank = numbers_at(at + 16 * w * t, 2 * w), weight / dtype(totals[t]), 0.0
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
