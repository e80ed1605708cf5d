"""Recurrent layers over few rows, in inference: a step is as fast as weights are read.

Over many steps they are packed, to be read as one stream; over few they are read where they lie, as to pack them would
cost more than it saves.
"""

from __future__ import annotations

from typing import Any

from lamina.backends.numba.engine.algebra import add_row, clear, copy, pack, product, row_product, size_of
from lamina.backends.numba.engine.forms.passes import PLAIN, Edges
from lamina.backends.numba.engine.forms.recurrent import recurrent_at
from lamina.backends.numba.engine.frames import frame_at
from lamina.backends.numba.engine.memory import array_at, compiled, integers_at, named, separate, uint

__all__ = ["add_row_product", "add_state_product", "make_inference", "project"]

_MANY = 16  # rows of all steps from which on weights are packed


@compiled
def _add_rows(n: Any, across: Any, a: Any, b: Any, c: Any) -> None:
    separate()
    a0, a1, a2, a3, a4, a5, a6, a7 = a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]
    for j in range(n):
        first = a0 * b[j] + a1 * b[uint(across + j)] + a2 * b[uint(2 * across + j)] + a3 * b[uint(3 * across + j)]
        second = a4 * b[uint(4 * across + j)] + a5 * b[uint(5 * across + j)]
        second += a6 * b[uint(6 * across + j)] + a7 * b[uint(7 * across + j)]
        c[j] += first + second


@compiled
def _add_one(n: Any, a: Any, b: Any, c: Any) -> None:
    separate()
    for j in range(n):
        c[j] += a * b[j]


@compiled
def add_row_product(k: Any, n: Any, a: Any, b: Any, across: Any, c: Any, dtype: Any) -> None:
    """Add a[k] B[k, n] to a row c[n]; B, whose rows are ``across`` apart, is read from its first row to its last."""
    size, row = size_of(dtype), array_at(c, n, dtype)
    for i in range(0, k - 7, 8):
        own = array_at(b + size * i * across, 7 * across + n, dtype)
        _add_rows(n, across, array_at(a + size * i, 8, dtype), own, row)
    for i in range(k // 8 * 8, k):
        _add_one(n, array_at(a, k, dtype)[i], array_at(b + size * i * across, n, dtype), row)


@compiled
def add_state_product(
    k: Any, n: Any, a: Any, b: Any, across: Any, packed: Any, backwards: Any, c: Any, dtype: Any
) -> None:
    """Add a[k] B[k, n] to a row c[n]; of B the packed form is read, if ``packed`` is not 0."""
    if packed != 0:
        row_product(n, k, a, packed, c, backwards, dtype)
    else:
        add_row_product(k, n, a, b, across, c, dtype)


@compiled
def project(p: Any, rows: Any, columns: Any, w: Any, b: Any, g: Any, dtype: Any) -> None:
    """Write x w + b of some columns of the weights, for all steps' rows."""
    f, n, size = p.features, p.columns, size_of(dtype)
    if rows <= 8:
        for k in range(rows):
            copy(columns, b, g + size * k * n, dtype)
            add_row_product(f, columns, p.x + size * k * f, w, p.wide, g + size * k * n, dtype)
        return
    pack(f, columns, w, p.wide, 1, p.packed, 0, f, dtype)
    product(rows, columns, f, p.x, f, 1, p.packed, 0, f, g, n, 0, dtype)
    for k in range(rows):
        add_row(1, columns, array_at(b, columns, dtype), array_at(g + size * k * n, columns, dtype))


def make_inference(projected: Any, pack_state: Any, add_state: Any, step: Any, edges: Edges = PLAIN) -> Any:
    """Return the compiled inference, (address, dtype), of a cell.

    Parameters
    ----------
    projected : (p, rows, dtype)
        Writes what x has in the gates of all steps.
    pack_state : (p, packed, dtype)
        Packs the weights of the state at an address.
    add_state : (p, h, g, packed, backwards, dtype)
        Adds, or writes, what the state has in them, by `add_state_product`.
    step : (p, t, row, rows, s, g, c_before, c_after, h, stride, dtype)
        As for `make_passes`.
    edges : Edges
        Those of the way forward; in place of all rows' c there is that in ``lasts``.
    """
    begin, end = edges[:2]

    @compiled
    @named(step.__module__.rpartition(".")[2])
    def infer(address: Any, dtype: Any) -> None:
        p = recurrent_at(address)
        frame, size, u, v = frame_at(p.frame), size_of(dtype), p.units, p.inner
        rows, steps = frame.rows, frame.steps
        counts, offsets = integers_at(frame.counts, steps + 1), integers_at(frame.offsets, steps + 1)
        if p.h == 0:
            clear(rows * u, p.last, dtype)
        elif p.h != p.last:
            copy(rows * u, p.h, p.last, dtype)
        firsts, lasts = integers_at(p.firsts, p.count), integers_at(p.lasts, p.count)
        for n in range(p.count):
            if firsts[n] == 0:
                clear(rows * v, lasts[n], dtype)
            elif firsts[n] != lasts[n]:
                copy(rows * v, firsts[n], lasts[n], dtype)
        begin(p, frame, lasts[0] if p.count > 0 else 0, dtype)
        projected(p, frame.total, dtype)
        packed, backwards = p.packed if frame.total >= _MANY else 0, 0
        if packed != 0:
            pack_state(p, packed, dtype)
        for t in range(steps):
            for k in range(counts[t]):
                place = offsets[t] + k
                if p.reverse != 0:
                    place = offsets[integers_at(frame.lengths, rows)[k] - 1 - t] + k
                g, h, row = p.gates + size * place * p.columns, p.last + size * k * u, size * k * v
                before = p.cells
                if p.count == 1:
                    before = lasts[0] + row
                else:
                    for n in range(p.count):
                        copy(v, lasts[n] + row, p.cells + size * n * p.across, dtype)
                add_state(p, h, g, packed, backwards, dtype)
                backwards = 1 - backwards
                step(p, t, k, 1, h, g, before, p.cells + size * v, p.spare, u, dtype)
                copy(u, p.spare, h, dtype)
                for n in range(p.count):
                    copy(v, p.cells + size * (n * p.across + v), lasts[n] + row, dtype)
                if p.y != 0:
                    copy(u, h, p.y + size * place * u, dtype)
        end(p, frame, dtype)

    return infer
