"""Whole passes, forward and backward, over recurrences of each unit by itself."""

from __future__ import annotations

from typing import Any, NamedTuple

from lamina.backends.numba.engine.algebra import (
    CHUNK,
    add_columns,
    add_product,
    add_to,
    clear,
    copy,
    pack,
    product,
    size_of,
)
from lamina.backends.numba.engine.forms.one_row import add_row_product
from lamina.backends.numba.engine.frames import frame_at
from lamina.backends.numba.engine.memory import array_at, compiled, integers_at, named

__all__ = ["GATED", "Scan", "last_place", "make_scans", "multiply"]

# To pack weights costs as much as so many rows.
_FEW = 8


@compiled
def multiply(
    few: Any, rows: Any, n: Any, k: Any, a: Any, w: Any, packed: Any, c: Any, across: Any, add: Any, dtype: Any
) -> None:
    """Write, or add, A[rows, k] W[k, n], C's rows ``across`` apart: W is read packed, and of few rows where it lies."""
    if not few:
        product(rows, n, k, a, k, 1, packed, 0, k, c, across, add, dtype)
        return
    size = size_of(dtype)
    for row in range(rows):
        own = c + size * row * across
        if add == 0:
            clear(n, own, dtype)
        add_row_product(k, n, a + size * row * k, w, n, own, dtype)


@compiled
def last_place(frame: Any, k: Any, reverse: Any) -> Any:
    """Return where the step of a row, which has one, that is read last lies."""
    if reverse:
        return k
    return integers_at(frame.offsets, frame.steps + 1)[integers_at(frame.lengths, frame.rows)[k] - 1] + k


@compiled
def _add_sums(rows: Any, columns: Any, source: Any, row: Any, target: Any, dtype: Any) -> None:
    """Add the sums of columns to a row, with room for those of a few rows: so that sums of many keep their digits."""
    clear(columns, row, dtype)
    add_columns(rows, columns, columns, array_at(source, rows * columns, dtype), array_at(row, columns, dtype))
    add_to(columns, row, target, dtype)


@compiled
def _pack(p: Any, few: Any, dtype: Any) -> None:
    if not few:
        pack(p.features, p.wide, p.w_x, p.wide, 1, p.packed, 0, p.features, dtype)


@compiled
def _enter(p: Any, few: Any, at: Any, rows: Any, dtype: Any) -> None:
    size, f = size_of(dtype), p.features
    out = p.gates + size * at * p.columns
    multiply(few, rows, p.wide, f, p.x + size * at * f, p.w_x, p.packed, out, p.columns, 0, dtype)


@compiled
def _leave(p: Any, few: Any, at: Any, rows: Any, dtype: Any) -> None:
    pass


@compiled
def _end(p: Any, few: Any, frame: Any, live: Any, dtype: Any) -> None:
    pass


@compiled
def _begin_back(p: Any, frame: Any, live: Any, dtype: Any) -> None:
    if p.dx != 0:
        pack(p.wide, p.features, p.w_x, 1, p.wide, p.back, 0, p.wide, dtype)


@compiled
def _enter_back(p: Any, at: Any, rows: Any, dtype: Any) -> None:
    pass


@compiled
def _finish(p: Any, at: Any, rows: Any, dtype: Any) -> None:
    size, f, n = size_of(dtype), p.features, p.wide
    x = p.x + size * at * f
    if p.dw_x != 0:
        add_product(rows, f, n, x, f, p.da, n, p.dw_x, n, p.chunk, dtype)
    if p.db != 0:
        _add_sums(rows, n, p.da, p.row, p.db, dtype)
    if p.dx != 0:
        product(rows, f, n, p.da, n, 1, p.back, 0, n, p.dx + size * at * f, f, 0, dtype)


@compiled
def _end_back(p: Any, frame: Any, live: Any, dtype: Any) -> None:
    pass


class Scan(NamedTuple):
    """What a pass does beside its steps; what is not said is right for gates made by w_x and b.

    ``few`` tells that no weights are packed, ``at`` which row of all steps a chunk begins with, and ``live`` how many
    rows have a step.

    Attributes
    ----------
    pack : (p, few, dtype)
        Packs the weights.
    enter : (p, few, at, rows, dtype)
        Writes the products of a chunk before its steps.
    leave : (p, few, at, rows, dtype)
        Does what follows its steps.
    end : (p, few, frame, live, dtype)
        What follows the last step, when the last state is there.
    begin_back : (p, frame, live, dtype)
        Packs the weights for the way back, on which ``carried`` has what is given of the last state.
    enter_back : (p, at, rows, dtype)
        Comes before the steps of a chunk.
    finish : (p, at, rows, dtype)
        Adds the weights' gradients of a chunk, and writes the inputs'.
    end_back : (p, frame, live, dtype)
        What follows the first step.
    """

    pack: Any = _pack
    enter: Any = _enter
    leave: Any = _leave
    end: Any = _end
    begin_back: Any = _begin_back
    enter_back: Any = _enter_back
    finish: Any = _finish
    end_back: Any = _end_back


#: Of gates made by w_x and b.
GATED = Scan()


@compiled
def _until(counts: Any, steps: Any, reverse: Any, done: Any) -> Any:
    """Return how many steps are read when a chunk's rows are, of which so many steps are read before."""
    rows = 0
    while done < steps and rows < CHUNK:
        rows += counts[steps - 1 - done if reverse else done]
        done += 1
    return done


def make_scans(at: Any, step: Any, step_back: Any, scan: Scan = GATED) -> tuple[Any, Any]:
    """Return the compiled forward and backward, (address, dtype).

    Parameters
    ----------
    at
        The record at an address.
    step : (p, rows, g, before, after, dtype)
        Turns products of rows into what is kept of them, and writes their states.
    step_back : (p, rows, g, before, after, carried, da, dtype)
        Turns ``carried`` into the gradient of the states before, and writes that of the products.
    scan : Scan
    """
    cell = step.__module__.rpartition(".")[2] + step.__name__
    pack_weights, enter, leave, end, begin_back, enter_back, finish, end_back = scan

    @compiled
    @named(cell)
    def forward(address: Any, dtype: Any) -> None:
        p = at(address)
        frame, size, v, reverse = frame_at(p.frame), size_of(dtype), p.width, p.reverse != 0
        rows, steps, few = frame.rows, frame.steps, frame.total <= _FEW
        counts, offsets = integers_at(frame.counts, steps + 1), integers_at(frame.offsets, steps + 1)
        given = integers_at(p.firsts, p.count)[p.count - 1] if p.count > 0 else p.h
        if given != 0:
            copy(rows * v, given, p.start, dtype)
        else:
            clear(rows * v, p.start, dtype)
        pack_weights(p, few, dtype)
        done = 0
        while done < steps:
            stop = _until(counts, steps, reverse, done)
            low = offsets[steps - stop if reverse else done]
            much = offsets[steps - done if reverse else stop] - low
            enter(p, few, low, much, dtype)
            for r in range(done, stop):
                t, past = (steps - 1 - r, steps - r) if reverse else (r, r - 1)
                here, first = counts[t], offsets[t]
                old = min(here, counts[past]) if r > 0 else 0
                g, s = p.gates + size * first * p.columns, p.states + size * first * v
                if old > 0:
                    step(p, old, g, p.states + size * offsets[past] * v, s, dtype)
                if here > old:
                    further = size * old
                    step(p, here - old, g + further * p.columns, p.start + further * v, s + further * v, dtype)
            leave(p, few, low, much, dtype)
            done = stop
        live = counts[0] if steps > 0 else 0
        last = integers_at(p.lasts, p.count)[p.count - 1] if p.count > 0 else p.last
        for k in range(live):
            copy(v, p.states + size * last_place(frame, k, reverse) * v, last + size * k * v, dtype)
        copy((rows - live) * v, p.start + size * live * v, last + size * live * v, dtype)
        end(p, few, frame, live, dtype)

    @compiled
    @named(cell)
    def backward(address: Any, dtype: Any) -> None:
        p = at(address)
        frame, size, v, reverse = frame_at(p.frame), size_of(dtype), p.width, p.reverse != 0
        rows, steps = frame.rows, frame.steps
        counts, offsets = integers_at(frame.counts, steps + 1), integers_at(frame.offsets, steps + 1)
        given = integers_at(p.dlasts, p.count)[p.count - 1] if p.count > 0 else p.dlast
        if given != 0:
            copy(rows * v, given, p.carried, dtype)
        else:
            clear(rows * v, p.carried, dtype)
        live = counts[0] if steps > 0 else 0
        begin_back(p, frame, live, dtype)
        left = steps
        while left > 0:
            # What is read last is the first in the opposite order.
            begin = steps - _until(counts, steps, not reverse, steps - left)
            low = offsets[steps - left if reverse else begin]
            much = offsets[steps - begin if reverse else left] - low
            enter_back(p, low, much, dtype)
            for r in range(left - 1, begin - 1, -1):
                t, past = (steps - 1 - r, steps - r) if reverse else (r, r - 1)
                here, first = counts[t], offsets[t]
                old = min(here, counts[past]) if r > 0 else 0
                g, s = p.gates + size * first * p.columns, p.states + size * first * v
                da = p.da + size * (first - low) * p.wide
                if p.dy != 0 and p.count == 0:  # else it enters with a chunk
                    add_to(here * v, p.dy + size * first * v, p.carried, dtype)
                if old > 0:
                    step_back(p, old, g, p.states + size * offsets[past] * v, s, p.carried, da, dtype)
                if here > old:
                    down = size * old
                    step_back(
                        p, here - old, g + down * p.columns, p.start + down * v, s + down * v, p.carried + down * v,
                        da + down * p.wide, dtype,
                    )  # fmt: skip
            finish(p, low, much, dtype)
            left = begin
        first_gradient = integers_at(p.dfirsts, p.count)[p.count - 1] if p.count > 0 else p.dh_first
        if first_gradient != 0:
            copy(rows * v, p.carried, first_gradient, dtype)
        end_back(p, frame, live, dtype)

    return forward, backward
