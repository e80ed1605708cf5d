"""The check of a layer over several sequences: each has a time axis and lengths of its own."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from lamina.core.layer import Layer
from lamina.errors import ShapeError
from lamina.kinds.random import rows_of_batch
from lamina.testing.proofs.arrays import HostArray, cut_to, expect_close
from lamina.testing.proofs.passes import Outcome, hosts
from lamina.testing.proofs.trial import Trial
from lamina.testing.report import CheckError

__all__ = ["several"]

_ROUNDING = 1e-10


def several(trial: Trial) -> str | None:
    """Check, for sequences of different time and lengths in both orders, that no padding of one reaches a valid step.

    Each row must give what it gives alone, cut to its lengths; what stands past an input's end changes nothing and
    gets no gradient.
    """
    timed = [index for index, value in enumerate(trial.values) if trial.has_time(value, index)]
    if trial.time is None or len(timed) < 2:
        return "one at most"
    refused = ""
    for grows, order in product((True, False), (timed, timed[::-1])):
        try:
            layer = trial.build(any_time=True)
        except ShapeError:
            return "needs fixed time axes"
        values, lengths = _drawn(trial, order, grows)
        try:
            got = trial.run(layer, values, lengths)
        except Exception as error:
            if not (grows or isinstance(error, ShapeError)):  # sizes that do not fit may fail in many ways
                raise
            refused = "time axes" if grows else "lengths"
            continue
        _alone(trial, layer, values, lengths, got)
        _padded(trial, layer, values, lengths, got)
    return f"refuses different {refused}" if refused else None


def _drawn(trial: Trial, order: Sequence[int], grows: bool) -> tuple[list[HostArray], tuple[Any, ...]]:
    """Return inputs, whose time axes get longer in an order where it ``grows``, and lengths that differ in each row."""
    assert trial.time is not None
    values = list(trial.values)
    lengths: list[Any] = [None] * len(values)
    for place, index in enumerate(order):
        time = trial.time + (place if grows else 0)
        values[index] = np.take(values[index], (np.arange(time) * 2 + place) % trial.time, axis=1)
        lengths[index] = (np.arange(trial.batch) * (2 if place % 2 else 1) + place) % time + 1
    return values, tuple(lengths)


def _alone(trial: Trial, layer: Layer, values: list[HostArray], lengths: Any, whole: Outcome) -> None:
    for row in range(trial.batch):
        cut = [
            array[row : row + 1] if own is None else array[row : row + 1, : own[row]]
            for array, own in zip(values, lengths, strict=True)
        ]
        with rows_of_batch(row):  # it draws what it does in the batch
            y, _ = trial.forward(layer, cut)
        for index, (one, expected) in enumerate(zip(hosts(layer, y), whole.outputs, strict=True)):
            steps = one.shape[1] if one.ndim > 2 else None
            whole_row = cut_to(expected[row : row + 1, :steps], one)
            expect_close(f"output {index} of row {row} of different lengths", whole_row, one, _ROUNDING)


def _padded(trial: Trial, layer: Layer, values: list[HostArray], lengths: Any, expected: Outcome) -> None:
    changed, past = [], []
    for index, (array, own) in enumerate(zip(values, lengths, strict=True)):
        array = array.copy()
        steps = None if own is None else np.arange(array.shape[1])[None, :] >= own[:, None]
        if steps is not None:
            array[steps] = array.max() if trial.given[index] else 37.5
            dx = expected.dx[index]
            if dx is not None and dx[steps].any():
                raise CheckError(f"dx {index}: expected 0 past each row's end, got {np.abs(dx[steps]).max():.3g}")
        changed.append(array)
        past.append(steps)
    got = trial.run(layer, changed, lengths)
    for (name, array), other in zip(got.named().items(), expected.named().values(), strict=True):
        expect_close(f"{name}, with other padding of each input", array, other, _ROUNDING)
