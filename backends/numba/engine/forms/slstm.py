"""sLSTM: i = exp(a_i), f = sigmoid(a_f) or exp(a_f); c = f c + i tanh(a_z), n = f n + i; h = sigmoid(a_o) c / n.

What is carried on is the average c / n, and n over exp(r), r being any number that keeps n within range (see
`slstm_edges`): h is the same. As long as n stays there, r stays as it is, and no step needs a logarithm; a row whose n
left it takes the larger of its two terms for exp(r). What is kept of a step are its share i / n of the average, the
slope of log f, tanh(a_z) and sigmoid(a_o).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.generic.slstm import MOST
from lamina.backends.numba.engine.algebra import size_of
from lamina.backends.numba.engine.elements import exponential, log_1p, logarithm, sigmoid, squash
from lamina.backends.numba.engine.forms.plain_gates import make_cell, pull_back
from lamina.backends.numba.engine.forms.recurrent import RecurrentForm
from lamina.backends.numba.engine.forms.slstm_edges import (
    COUNT,
    EDGES,
    FIRST,
    FIRST_DC,
    FIRST_DN,
    NORM,
    SCALE,
    kept_of,
    of_rows,
    share_of,
    wanted,
)
from lamina.backends.numba.engine.memory import array_at, compiled, integers_at, separate, summing, uint

__all__ = ["SLSTMForm"]

# Between these n keeps its digits, and what is divided by it does too; and a share that is kept is not 0.
_LEAST_N, _MOST_N, _TINY = 1e-8, 1e8, 1e-37


class SLSTMForm(RecurrentForm):
    """The LSTM with exponential gates; its gates lie in the order i, f, z, o."""

    gates = 4
    cells = 3
    alone = 2
    running = COUNT


@summing
def _straight(
    units: Any, one: Any, least: Any, most: Any, exponents: Any, i: Any, f: Any, n: Any, r: Any, new: Any, old: Any,
    slope: Any,
) -> Any:  # fmt: skip
    """Write a row's i and f n with r as it is, and the slope of log f; return in how many units n leaves its range."""
    separate()
    zero = one - one
    out = zero
    if exponents != 0:
        for k in range(units):
            opened, kept = exponential(i[k] - r[k]), exponential(f[k]) * n[k]
            total = opened + kept
            new[k], old[k], slope[k] = opened, kept, one
            out += zero if total > least and total < most else one
        return out
    for k in range(units):
        a = f[k]
        small = exponential(-a if a > zero else a)
        large = one / (one + small)
        small *= large
        opened, kept = exponential(i[k] - r[k]), (large if a > zero else small) * n[k]
        total = opened + kept
        new[k], old[k], slope[k] = opened, kept, small if a > zero else large
        out += zero if total > least and total < most else one
    return out


@compiled
def _scaled(
    units: Any, one: Any, most: Any, exponents: Any, first: Any, i: Any, f: Any, n: Any, r: Any, new: Any, old: Any,
    slope: Any, q: Any,
) -> None:  # fmt: skip
    """Write the same, the larger of i and f n being 1, whatever the exponents, and r.

    Of a ``first`` step also the derivative of n by n before, over n.
    """
    separate()
    zero = one - one
    for k in range(units):
        a, forget, total, before = i[k], f[k], n[k], r[k]
        steep, log_f = one, forget
        if exponents == 0:  # log sigmoid(a) = min(a, 0) - log(1 + exp(-|a|))
            small = exponential(-forget if forget > zero else forget)
            log_f = (zero if forget > zero else forget) - log_1p(small)
            steep = (small if forget > zero else one) / (one + small)
        some = total != zero  # else there is nothing to forget
        carried = log_f + (logarithm(total) if some else zero) + before
        through = some and carried > a
        share = exponential(a - carried if through else carried - a)
        opened, kept = share if through else one, one if through else (share if some else zero)
        top = carried if through else a
        if first:
            away = log_f + before - top
            q[k] = exponential(most if away > most else away) / (opened + kept)
        new[k], old[k], slope[k], r[k] = opened, kept, steep, top


@compiled
def _average(
    units: Any, half: Any, tiny: Any, new: Any, old: Any, slope: Any, i: Any, f: Any, z: Any, o: Any, before: Any,
    after: Any, n: Any, h: Any,
) -> None:  # fmt: skip
    """Write what a row is after a step."""
    separate()
    one = half + half
    for k in range(units):
        opened, kept, fresh, passed = new[k], old[k], squash(z[k]), sigmoid(o[k], half)
        total = opened + kept
        part = one / total
        share, rest = opened * part, kept * part
        average = rest * before[k] + share * fresh
        f[k], z[k], o[k] = slope[k], fresh, passed
        # The smaller of the two: see `share_of`.
        i[k] = share if share <= rest else -(tiny if rest < tiny else rest)
        n[k], after[k], h[k] = total, average, passed * average


@compiled
def _step(
    p: Any, t: Any, row: Any, rows: Any, s: Any, g: Any, c_before: Any, c_after: Any, h: Any, stride: Any, dtype: Any
) -> None:
    u, size, one = p.units, size_of(dtype), dtype(1)
    wide, room = size * u, of_rows(p, COUNT, dtype)
    new, old = array_at(room, u, dtype), array_at(room + wide, u, dtype)
    slope = array_at(room + 2 * wide, u, dtype)
    for k in range(rows):
        gates, own = g + size * k * p.columns, wide * (row + k)
        i, f = array_at(gates, u, dtype), array_at(gates + wide, u, dtype)
        n, r = array_at(of_rows(p, NORM, dtype) + own, u, dtype), array_at(of_rows(p, SCALE, dtype) + own, u, dtype)
        out = one
        if t > 0:
            out = _straight(u, one, dtype(_LEAST_N), dtype(_MOST_N), p.exponents, i, f, n, r, new, old, slope)
        if not out == 0:
            q = array_at(of_rows(p, FIRST, dtype) + own, u, dtype)
            _scaled(u, one, dtype(MOST), p.exponents, t == 0, i, f, n, r, new, old, slope, q)
        _average(
            u, dtype(0.5), dtype(_TINY), new, old, slope, i, f, array_at(gates + 2 * wide, u, dtype),
            array_at(gates + 3 * wide, u, dtype), array_at(c_before + wide * k, u, dtype),
            array_at(c_after + wide * k, u, dtype), n, array_at(h + size * k * stride, u, dtype),
        )  # fmt: skip


@compiled
def _slopes(
    rows: Any, units: Any, one: Any, i: Any, f: Any, z: Any, o: Any, before: Any, after: Any, dh: Any, da: Any, dn: Any
) -> None:
    separate()
    for row in range(rows):
        at, own = 4 * units * row, units * row
        for k in range(units):
            gate, state = uint(at + k), uint(own + k)
            stored, steep, new, passed = i[gate], f[gate], z[gate], o[gate]
            share, rest = share_of(stored, one), kept_of(stored, one)
            d, total = dh[state], dn[state]
            average = da[state] + d * passed
            by = average * share
            by_share = by * rest * (new - before[state])
            kept = rest * total - by_share
            i[gate], f[gate] = by_share + share * total, kept * steep
            z[gate] = by * (one - new * new)
            o[gate] = d * after[state] * passed * (one - passed)
            da[state], dn[state] = average * rest, kept


@compiled
def _slopes_of_m(
    rows: Any, units: Any, t: Any, zero: Any, i: Any, f: Any, slope: Any, dm: Any, origin: Any
) -> None:
    """Add the gradient of m, which is log i of its origin and log f of all later steps."""
    separate()
    for row in range(rows):
        at, own = 4 * units * row, units * row
        for k in range(units):
            gate, state = uint(at + k), uint(own + k)
            d, from_here = dm[state], origin[state]
            i[gate] += d if from_here == t else zero
            f[gate] += d * slope[state] if from_here < t else zero


@compiled
def _slopes_of_first(
    rows: Any, units: Any, o: Any, after: Any, q: Any, dh: Any, da: Any, dn: Any, first_dc: Any, first_dn: Any
) -> None:
    """Write the gradients of c and n before the first step."""
    separate()
    for row in range(rows):
        at, own = 4 * units * row, units * row
        for k in range(units):
            state = uint(own + k)
            average = da[state] + dh[state] * o[uint(at + k)]
            first_dc[state] = average * q[state]
            first_dn[state] = (dn[state] - average * after[state]) * q[state]


@compiled
def _copy_slopes(rows: Any, units: Any, f: Any, slope: Any) -> None:
    separate()
    for row in range(rows):
        for k in range(units):
            slope[uint(units * row + k)] = f[uint(4 * units * row + k)]


@compiled
def _step_back(p: Any, t: Any, rows: Any, s: Any, g: Any, c_before: Any, c_after: Any, dtype: Any) -> None:
    size, u, much, all_units = size_of(dtype), p.units, rows * p.columns, rows * p.units
    wide, apart = size * u, size * p.most * u
    i, f = array_at(g, much, dtype), array_at(g + wide, much, dtype)
    z, o = array_at(g + 2 * wide, much, dtype), array_at(g + 3 * wide, much, dtype)
    after, dh = array_at(c_after, all_units, dtype), array_at(p.dh, all_units, dtype)
    da, dn = array_at(p.dc, all_units, dtype), array_at(p.dc + apart, all_units, dtype)
    through = wanted(p)
    slope = array_at(of_rows(p, NORM, dtype), all_units, dtype)  # free on the way back
    if through:
        _copy_slopes(rows, u, f, slope)
    if t == 0:
        _slopes_of_first(
            rows, u, o, after, array_at(of_rows(p, FIRST, dtype), all_units, dtype), dh, da, dn,
            array_at(of_rows(p, FIRST_DC, dtype), all_units, dtype),
            array_at(of_rows(p, FIRST_DN, dtype), all_units, dtype),
        )  # fmt: skip
    _slopes(rows, u, dtype(1), i, f, z, o, array_at(c_before, all_units, dtype), after, dh, da, dn)
    if through:
        dm = array_at(p.dc + 2 * apart, all_units, dtype)
        _slopes_of_m(rows, u, t, dtype(0), i, f, slope, dm, integers_at(p.origins, all_units))
    pull_back(p, rows, g, t == 0, dtype)


_forward, _backward, _infer = make_cell(_step, _step_back, EDGES)


def forward_float32(address: Any) -> None:
    """Run over all steps."""
    _forward(address, np.float32)


def forward_float64(address: Any) -> None:
    """Run over all steps."""
    _forward(address, np.float64)


def backward_float32(address: Any) -> None:
    """Run back over all steps."""
    _backward(address, np.float32)


def backward_float64(address: Any) -> None:
    """Run back over all steps."""
    _backward(address, np.float64)


def infer_float32(address: Any) -> None:
    """Run over all steps of few rows, keeping nothing."""
    _infer(address, np.float32)


def infer_float64(address: Any) -> None:
    """Run over all steps of few rows, keeping nothing."""
    _infer(address, np.float64)
