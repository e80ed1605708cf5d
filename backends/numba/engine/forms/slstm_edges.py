"""Where passes of the sLSTM begin and end: c, n and m of each row, as they are given and given back.

From step to step there is, for each unit, the average c / n, and n as a number from 1 to below 2 times 2^r. What a step
has in the average, its share, is i / n, and 1 less that is what the steps before keep: neither knows of r. With m as it
is defined the largest of all terms of n is 1: so the largest of all shares, each times what later steps kept of it, the
peak, is 1 / n. The step it is from is where m comes from, the origin.
"""

from __future__ import annotations

from typing import Any

from lamina.backends.numba.engine.algebra import clear, copy, size_of
from lamina.backends.numba.engine.elements import logarithm
from lamina.backends.numba.engine.forms.passes import Edges
from lamina.backends.numba.engine.memory import array_at, compiled, integers_at, separate

__all__ = [
    *("COUNT", "EDGES", "FIRST", "FIRST_DC", "FIRST_DN", "FIRST_M", "FIRST_N", "NORM", "PEAK", "PER_LOG_2", "SCALE"),
    *("kept_of", "of_rows", "share_of", "wanted"),
]

#: What there is of each unit of each row: n / 2^r, and r; the peak; what dc and dn of the first states are multiples
#: of; c, n and m as they were given; and gradients of these c and n.
NORM, SCALE, PEAK, FIRST, FIRST_C, FIRST_N, FIRST_M, FIRST_DC, FIRST_DN = range(9)
#: How many these are, the last ones being room for a row.
COUNT = 9
PER_LOG_2, _LOG_2 = 1.4426950408889634, 0.6931471805599453
# Of n = 0: below what any step adds.
_NOWHERE = -1e30


@compiled
def of_rows(p: Any, which: Any, dtype: Any) -> Any:
    """Return the address of one of what there is of rows; with COUNT, of room for three rows and more."""
    return p.running + size_of(dtype) * which * p.most * p.units


@compiled
def share_of(stored: Any, one: Any) -> Any:
    """Return a step's share: itself up to half, and else what is kept, negative, so that both keep their digits."""
    return one + stored if stored < one - one else stored


@compiled
def kept_of(stored: Any, one: Any) -> Any:
    """Return what a step keeps of the average before."""
    return -stored if stored < one - one else one - stored


@compiled
def wanted(p: Any) -> Any:
    """Tell whether there are gradients of the last c, n or m."""
    dlasts = integers_at(p.dlasts, 3)
    return dlasts[0] != 0 or dlasts[1] != 0 or dlasts[2] != 0


@compiled
def _take(count: Any, address: Any, target: Any, dtype: Any) -> None:
    if address != 0:
        copy(count, address, target, dtype)
    else:
        clear(count, target, dtype)


@compiled
def _averages(
    count: Any, one: Any, per_log_2: Any, nowhere: Any, c: Any, n: Any, m: Any, average: Any, norm: Any, scale: Any,
    peak: Any,
) -> None:  # fmt: skip
    """Write the average, n / 2^r, r and the peak."""
    separate()
    zero = one - one
    for k in range(count):
        total = n[k]
        some = total != zero
        average[k] = c[k] / total if some else zero
        scale[k] = m[k] * per_log_2 + logarithm(total) * per_log_2 if some else nowhere
        norm[k], peak[k] = one if some else zero, one / total if some else zero


@compiled
def _nothing(count: Any, zero: Any, nowhere: Any, n: Any, scale: Any, peak: Any) -> None:
    separate()
    for k in range(count):
        n[k], scale[k], peak[k] = zero, nowhere, zero


@compiled
def _begin(p: Any, frame: Any, cell: Any, dtype: Any) -> None:
    much, firsts = frame.rows * p.units, integers_at(p.firsts, 3)
    norm, scale, peak = of_rows(p, NORM, dtype), of_rows(p, SCALE, dtype), of_rows(p, PEAK, dtype)
    running = integers_at(frame.counts, 1)[0] * p.units if frame.steps > 0 else 0
    _take(much, firsts[1], of_rows(p, FIRST_N, dtype), dtype)
    _take(much, firsts[2], of_rows(p, FIRST_M, dtype), dtype)
    copy(much, cell, of_rows(p, FIRST_C, dtype), dtype)
    if firsts[1] == 0:
        _nothing(
            running, dtype(0), dtype(_NOWHERE), array_at(norm, running, dtype), array_at(scale, running, dtype),
            array_at(peak, running, dtype),
        )  # fmt: skip
        return
    _averages(
        running, dtype(1), dtype(PER_LOG_2), dtype(_NOWHERE), array_at(of_rows(p, FIRST_C, dtype), running, dtype),
        array_at(of_rows(p, FIRST_N, dtype), running, dtype), array_at(of_rows(p, FIRST_M, dtype), running, dtype),
        array_at(cell, running, dtype), array_at(norm, running, dtype), array_at(scale, running, dtype),
        array_at(peak, running, dtype),
    )  # fmt: skip


@compiled
def _finish(count: Any, one: Any, log_2: Any, peak: Any, norm: Any, scale: Any, n: Any, c: Any, m: Any) -> None:
    """Turn the average into c; write n and m."""
    separate()
    for k in range(count):
        # What is not finite was seen by the average.
        total = one / peak[k] + (c[k] - c[k])
        c[k] *= total
        n[k], m[k] = total, scale[k] * log_2 + logarithm(norm[k] / total)


@compiled
def _end(p: Any, frame: Any, dtype: Any) -> None:
    u, rows, lasts = p.units, frame.rows, integers_at(p.lasts, 3)
    running = integers_at(frame.counts, 1)[0] * u if frame.steps > 0 else 0
    _finish(
        running, dtype(1), dtype(_LOG_2), array_at(of_rows(p, PEAK, dtype), running, dtype),
        array_at(of_rows(p, NORM, dtype), running, dtype), array_at(of_rows(p, SCALE, dtype), running, dtype),
        array_at(lasts[1], running, dtype), array_at(lasts[0], running, dtype),
        array_at(lasts[2], running, dtype),
    )  # fmt: skip
    down, past = size_of(dtype) * running, rows * u - running
    copy(past, of_rows(p, FIRST_N, dtype) + down, lasts[1] + down, dtype)
    copy(past, of_rows(p, FIRST_M, dtype) + down, lasts[2] + down, dtype)


@compiled
def _search(t: Any, units: Any, one: Any, stored: Any, floor: Any, rest: Any, best: Any, origin: Any) -> Any:
    """Look at a step's shares, of which all later steps kept the rest; return 0 where none before can be larger."""
    separate()
    more = one - one
    for k in range(units):
        here = rest[k] * share_of(stored[k], one)
        better = here > best[k]
        origin[k] = t if better else origin[k]
        best[k] = here if better else best[k]
        rest[k] *= kept_of(stored[k], one)
    for k in range(units):
        if rest[k] > best[k] * floor[k]:
            more = one
    return more


@compiled
def _search_first(units: Any, zero: Any, n: Any, rest: Any, best: Any, origin: Any) -> None:
    separate()
    for k in range(units):
        if n[k] != zero and rest[k] / n[k] > best[k]:
            best[k], origin[k] = rest[k] / n[k], -1


@compiled
def _prepare(units: Any, one: Any, n: Any, floor: Any, rest: Any, best: Any) -> None:
    separate()
    zero = one - one
    for k in range(units):
        # The first n, over which its share is, may be any; all shares of steps are at most 1.
        floor[k] = n[k] if n[k] < one and n[k] != zero else one
        rest[k], best[k] = one, zero


@compiled
def _find_origins(p: Any, k: Any, length: Any, offsets: Any, dtype: Any) -> None:
    """Find the steps that a row's m comes from, last ones first; -1 is the first m."""
    u, size, one = p.units, size_of(dtype), dtype(1)
    room = of_rows(p, COUNT, dtype)
    rest, best = array_at(room, u, dtype), array_at(room + size * u, u, dtype)
    floor = array_at(room + 2 * size * u, u, dtype)
    origin = integers_at(p.origins + 8 * k * u, u)
    first_n = array_at(of_rows(p, FIRST_N, dtype) + size * k * u, u, dtype)
    _prepare(u, one, first_n, floor, rest, best)
    t, going = length, True
    while going and t > 0:
        t -= 1
        stored = array_at(p.gates + size * (offsets[t] + k) * p.columns, u, dtype)
        going = _search(t, u, one, stored, floor, rest, best, origin) > 0
    if going:
        _search_first(u, dtype(0), first_n, rest, best, origin)


@compiled
def _of_last(units: Any, one: Any, average: Any, peak: Any, dc: Any, dn: Any, dm: Any) -> None:
    """Turn gradients of c, n and m into those of the average, of log n, and of m where c exp(m) and n exp(m) stay."""
    separate()
    for k in range(units):
        n = one / peak[k]
        total = (dc[k] * average[k] + dn[k]) * n
        dc[k], dn[k], dm[k] = dc[k] * n, total, dm[k] - total


@compiled
def _begin_back(p: Any, frame: Any, dtype: Any) -> None:
    u, rows, size = p.units, frame.rows, size_of(dtype)
    dlasts, apart = integers_at(p.dlasts, 3), size * p.most * u
    _take(rows * u, dlasts[1], p.dc + apart, dtype)
    _take(rows * u, dlasts[2], p.dc + 2 * apart, dtype)
    if not wanted(p) or frame.steps == 0:
        return
    offsets, lengths = integers_at(frame.offsets, frame.steps + 1), integers_at(frame.lengths, rows)
    for k in range(integers_at(frame.counts, 1)[0]):
        row = size * k * u
        _find_origins(p, k, lengths[k], offsets, dtype)
        last = p.cells + size * (p.most + offsets[lengths[k] - 1] + k) * u
        _of_last(
            u, dtype(1), array_at(last, u, dtype), array_at(of_rows(p, PEAK, dtype) + row, u, dtype),
            array_at(p.dc + row, u, dtype), array_at(p.dc + apart + row, u, dtype),
            array_at(p.dc + 2 * apart + row, u, dtype),
        )  # fmt: skip


@compiled
def _of_first(count: Any, origin: Any, c: Any, n: Any, dc: Any, dn: Any, dm: Any) -> None:
    separate()
    for k in range(count):
        # c and n are divided by exp(m): to double both is as good as to add log 2 to m.
        through = dm[k] if origin[k] < 0 else dm[k] - dm[k]
        dm[k] = through + c[k] * dc[k] + n[k] * dn[k]


@compiled
def _end_back(p: Any, frame: Any, dtype: Any) -> None:
    u, size = p.units, size_of(dtype)
    dfirsts, apart = integers_at(p.dfirsts, 3), size * p.most * u
    running = integers_at(frame.counts, 1)[0] * u if frame.steps > 0 else 0
    if dfirsts[0] != 0:
        copy(running, of_rows(p, FIRST_DC, dtype), dfirsts[0], dtype)
    if dfirsts[1] != 0:
        copy(frame.rows * u, p.dc + apart, dfirsts[1], dtype)
        copy(running, of_rows(p, FIRST_DN, dtype), dfirsts[1], dtype)
    if dfirsts[2] != 0:
        _of_first(
            running, integers_at(p.origins, running), array_at(of_rows(p, FIRST_C, dtype), running, dtype),
            array_at(of_rows(p, FIRST_N, dtype), running, dtype), array_at(of_rows(p, FIRST_DC, dtype), running, dtype),
            array_at(of_rows(p, FIRST_DN, dtype), running, dtype), array_at(p.dc + 2 * apart, running, dtype),
        )  # fmt: skip
        copy(frame.rows * u, p.dc + 2 * apart, dfirsts[2], dtype)


#: Of a cell whose states beside h are c, n and m.
EDGES = Edges(_begin, _end, _begin_back, _end_back)
