"""Whole recurrent passes, forward and backward, of any cell."""

from __future__ import annotations

from typing import Any, NamedTuple

from lamina.backends.numba.engine.algebra import CHUNK, clear, copy, copy_rows, size_of
from lamina.backends.numba.engine.forms.recurrent import recurrent_at
from lamina.backends.numba.engine.frames import frame_at
from lamina.backends.numba.engine.memory import array_at, compiled, integers_at, named

__all__ = ["PLAIN", "Edges", "drop", "make_passes"]


@compiled
def _place(frame: Any, k: Any, t: Any, reverse: Any) -> Any:
    """Return where the k-th row's t-th step, in reading order, lies."""
    if reverse:
        t = integers_at(frame.lengths, frame.rows)[k] - 1 - t
    return integers_at(frame.offsets, frame.steps + 1)[t] + k


@compiled
def _fill(p: Any, frame: Any, here: Any, t: Any, s: Any, dtype: Any) -> None:
    """Put x_t into the sources of a step."""
    f, size, target = p.features, size_of(dtype), s + size_of(dtype) * p.x_at
    if p.reverse == 0:
        first = integers_at(frame.offsets, frame.steps + 1)[t]
        copy_rows(here, f, p.x + size * f * first, f, target, p.stride, dtype)
        return
    for k in range(here):
        copy(f, p.x + size * f * _place(frame, k, t, True), target + size * k * p.stride, dtype)


@compiled
def drop(p: Any, rows: Any, stride: Any, h: Any, dtype: Any) -> None:
    """Multiply states, or their gradients, by the mask that a row has at all steps."""
    u, size = p.units, size_of(dtype)
    for k in range(rows):
        own, mask = array_at(h + size * k * stride, u, dtype), array_at(p.mask + size * k * u, u, dtype)
        for j in range(u):
            own[j] *= mask[j]


@compiled
def _begin(p: Any, frame: Any, cell: Any, dtype: Any) -> None:
    pass


@compiled
def _end(p: Any, frame: Any, dtype: Any) -> None:
    pass


class Edges(NamedTuple):
    """What a cell does where passes begin and end, of states that are its own: nothing, if nothing else is said.

    Attributes
    ----------
    begin : (p, frame, cell, dtype)
        Before the first step; c of the rows lies at ``cell``.
    end : (p, frame, dtype)
        After the last step, where ``lasts`` has what c is for the passes.
    begin_back : (p, frame, dtype)
        Before the last step, where ``dc`` has what is given of c.
    end_back : (p, frame, dtype)
        After the first step, where ``dfirsts`` has what ``dc`` is.
    """

    begin: Any = _begin
    end: Any = _end
    begin_back: Any = _end
    end_back: Any = _end


#: Those of a cell whose states the passes see to.
PLAIN = Edges()


def make_passes(
    pack_forward: Any,
    products: Any,
    step: Any,
    pack_backward: Any,
    step_back: Any,
    finish: Any,
    edges: Edges = PLAIN,
) -> Any:
    """Return the compiled forward and backward, (address, dtype), of a cell.

    Parameters
    ----------
    pack_forward : (p, dtype)
        Packs the weights.
    products : (p, rows, s, g, dtype)
        Writes the gates' products of a step's rows.
    step : (p, t, row, rows, s, g, c_before, c_after, h, stride, dtype)
        Turns these into gates, and the states after the step: of so many rows from ``row`` on, at which all addresses
        begin, and at their t-th step.
    pack_backward : (p, dtype)
    step_back : (p, t, rows, s, g, c_before, c_after, dtype)
        Turns gates into their gradients in place, and dh and dc after the step into those before it; at the first
        step only what is wanted of them.
    finish : (p, rows, s, g, dx, dtype)
        Adds the weights' gradients of some rows, and writes the inputs'.
    edges : Edges
    """
    begin, end, begin_back, end_back = edges
    cell = step.__module__.rpartition(".")[2]

    @compiled
    @named(cell)
    def forward(address: Any, dtype: Any) -> None:
        p = recurrent_at(address)
        frame, size, u, stride, v = frame_at(p.frame), size_of(dtype), p.units, p.stride, p.inner
        rows, steps = frame.rows, frame.steps
        counts, offsets = integers_at(frame.counts, steps + 1), integers_at(frame.offsets, steps + 1)
        first = counts[0] if steps > 0 else 0
        pack_forward(p, dtype)
        for k in range(rows):
            target = p.sources + size * (k * stride + p.h_at) if k < first else p.last + size * k * u
            if p.h != 0:
                copy(u, p.h + size * k * u, target, dtype)
            else:
                clear(u, target, dtype)
        firsts, lasts = integers_at(p.firsts, p.count), integers_at(p.lasts, p.count)
        for n in range(p.count):
            cell = p.cells + size * n * p.across
            if firsts[n] != 0:
                copy(rows * v, firsts[n], cell, dtype)
            else:
                clear(rows * v, cell, dtype)
            copy((rows - first) * v, cell + size * first * v, lasts[n] + size * first * v, dtype)
        begin(p, frame, p.cells, dtype)
        before = p.cells
        for t in range(steps):
            here, following, at = counts[t], counts[t + 1], offsets[t]
            s, g = p.sources + size * at * stride, p.gates + size * at * p.columns
            after = p.cells + size * (p.most + at) * v
            _fill(p, frame, here, t, s, dtype)
            if p.mask != 0:
                for k in range(here if p.whole_at != p.h_at else 0):
                    copy(u, s + size * (k * stride + p.h_at), s + size * (k * stride + p.whole_at), dtype)
                drop(p, here, stride, s + size * p.h_at, dtype)
            products(p, here, s, g, dtype)
            ahead = p.sources + size * (offsets[t + 1] * stride + p.h_at)
            if p.y != 0:
                h = p.spare if p.reverse != 0 else p.y + size * at * u
                step(p, t, 0, here, s, g, before, after, h, u, dtype)
                copy_rows(following, u, h, u, ahead, stride, dtype)
                past = size * following * u
                copy((here - following) * u, h + past, p.last + past, dtype)
                if p.reverse != 0:
                    for k in range(here):
                        copy(u, h + size * k * u, p.y + size * u * _place(frame, k, t, True), dtype)
            else:
                if following > 0:
                    step(p, t, 0, following, s, g, before, after, ahead, stride, dtype)
                if here > following:
                    past = size * following
                    step(
                        p, t, following, here - following, s + past * stride, g + past * p.columns, before + past * v,
                        after + past * v, p.last + past * u, u, dtype,
                    )  # fmt: skip
            for n in range(p.count):
                down = size * following * v
                copy((here - following) * v, after + size * n * p.across + down, lasts[n] + down, dtype)
            before = after
        end(p, frame, dtype)

    @compiled
    @named(cell)
    def backward(address: Any, dtype: Any) -> None:
        p = recurrent_at(address)
        frame, size, u, stride, f = frame_at(p.frame), size_of(dtype), p.units, p.stride, p.features
        v = p.inner
        rows, steps = frame.rows, frame.steps
        counts, offsets = integers_at(frame.counts, steps + 1), integers_at(frame.offsets, steps + 1)
        pack_backward(p, dtype)
        dlasts, dfirsts = integers_at(p.dlasts, p.count), integers_at(p.dfirsts, p.count)
        clear(rows * u, p.dh, dtype)
        clear(p.count * p.most * v, p.dc, dtype)
        if p.dlast != 0:
            copy(rows * u, p.dlast, p.dh, dtype)
        for n in range(p.count):
            if dlasts[n] != 0:
                copy(rows * v, dlasts[n], p.dc + size * n * p.most * v, dtype)
        begin_back(p, frame, dtype)
        stop, top = offsets[steps] if steps > 0 else 0, steps
        for t in range(steps - 1, -1, -1):
            here, at = counts[t], offsets[t]
            s, g = p.sources + size * at * stride, p.gates + size * at * p.columns
            before, after = p.cells, p.cells + size * (p.most + at) * v
            if t > 0:
                before += size * (p.most + offsets[t - 1]) * v
            if p.dy != 0:
                for k in range(here):
                    total = array_at(p.dh + size * k * u, u, dtype)
                    given = array_at(p.dy + size * u * _place(frame, k, t, p.reverse != 0), u, dtype)
                    for j in range(u):
                        total[j] += given[j]
            step_back(p, t, here, s, g, before, after, dtype)
            if p.mask != 0 and p.whole_at == p.h_at:
                drop(p, here, u, p.dh, dtype)
            if stop - at >= CHUNK or t == 0:
                waiting, dx = stop - at, 0
                if p.dx != 0:
                    dx = p.spare if p.reverse != 0 else p.dx + size * at * f
                finish(p, waiting, s, g, dx, dtype)
                if p.dx != 0 and p.reverse != 0:
                    for past in range(t, top):
                        for k in range(counts[past]):
                            own = p.spare + size * f * (offsets[past] - at + k)
                            copy(f, own, p.dx + size * f * _place(frame, k, past, True), dtype)
                stop, top = at, t
        if p.dh_first != 0:
            copy(rows * u, p.dh, p.dh_first, dtype)
        for n in range(p.count):
            if dfirsts[n] != 0:
                copy(rows * v, p.dc + size * n * p.most * v, dfirsts[n], dtype)
        end_back(p, frame, dtype)

    return forward, backward
