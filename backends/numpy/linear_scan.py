"""The linear recurrence h_t = k_t h_{t-1} + a_t, element by element: step by step, or in blocks of time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from lamina.backends.arrays import Array
from lamina.backends.numpy.reading_order import ReadingOrder, Run

__all__ = ["linear_scan", "linear_scan_back", "scan_back", "scan_runs"]

# A step of more elements takes longer than the call of Python that it saves ...
_FEW = 512
# ... and so do blocks of few steps.
_MANY_STEPS = 64


def linear_scan(order: ReadingOrder, keep: Array, slab: Array) -> None:
    """Run the recurrence over a slab, in place.

    Parameters
    ----------
    order : ReadingOrder
    keep : (rows, units) or (units,)
        k of each step, or of all.
    slab : (batch + rows, units)
        The initial state and each step's a on entry, and h on return.
    """
    for chunk in order.chunks(max(order.rows, 1)):
        scan_runs(chunk, keep, slab)


def scan_runs(runs: Iterable[Run], keep: Array, slab: Array) -> None:
    """Do what `linear_scan` does, for consecutive runs."""
    for run in runs:
        after = run.after(slab)
        _scan(_of(keep, run, after.shape), after, run.first_before(slab))


def linear_scan_back(order: ReadingOrder, keep: Array, gradient: Array, carried: Array) -> None:
    """Propagate gradients back through `linear_scan`, in place: d_t = d_t + k_{t+1} d_{t+1}.

    Parameters
    ----------
    order, keep
        As there; for complex numbers, keep is the conjugate.
    gradient : (rows, units)
        Of each step's h from outside on entry; of each step's a on return.
    carried : (batch, units)
        Of the last states on entry, and of the first ones on return.
    """
    for chunk in reversed(order.chunks(max(order.rows, 1))):
        scan_back(chunk, keep, gradient, carried)


def scan_back(runs: Sequence[Run], keep: Array, gradient: Array, carried: Array) -> None:
    """Do what `linear_scan_back` does, for consecutive runs; carried is that of the states after and before them."""
    for run in reversed(runs):
        steps = run.of(gradient)[::-1]
        kept = _of(keep, run, steps.shape)[::-1]
        own = carried[: run.number]
        np.add(steps[0], own, out=steps[0])
        _scan(kept[:-1], steps[1:], steps[0])
        np.multiply(steps[-1], kept[-1], out=own)


def _of(keep: Array, run: Run, shape: tuple[int, ...]) -> Array:
    """Return a run's part of k, (steps, number, units)."""
    return np.broadcast_to(keep, shape) if keep.ndim == 1 else run.of(keep)


def _scan(keep: Array, after: Array, before: Array) -> None:
    """Turn a into h, (steps, number, units) each, given h before the first step."""
    if before.size <= _FEW and len(keep) >= _MANY_STEPS:
        _scan_in_blocks(keep, after, before)
        return
    multiply, add, room = np.multiply, np.add, np.empty_like(before)
    for share, state in zip(keep, after, strict=True):
        multiply(before, share, out=room)
        add(state, room, out=state)
        before = state


def _scan_in_blocks(keep: Array, after: Array, before: Array) -> None:
    """Do what `_scan` does: all blocks of time side by side from 0, and then what they carry over to each other.

    What a block makes of its first state is the product of its k. It only ever gets smaller where these are at most 1,
    and nothing is divided by it.
    """
    length = max(8, math.isqrt(len(keep)) // 2)
    blocks = len(keep) // length
    whole = blocks * length
    shape = (blocks, length, *before.shape)
    product, state = np.array(keep[:whole]).reshape(shape), after[:whole].reshape(shape)
    room = np.empty_like(state[:, 0])
    for t in range(1, length):
        np.multiply(state[:, t - 1], product[:, t], out=room)
        np.add(state[:, t], room, out=state[:, t])
        np.multiply(product[:, t], product[:, t - 1], out=product[:, t])
    carried = room  # into each block
    for block in range(blocks):
        carried[block] = before
        before = product[block, -1] * before
        before += state[block, -1]
    product *= carried[:, None]
    state += product
    _scan(keep[whole:], after[whole:], before)
