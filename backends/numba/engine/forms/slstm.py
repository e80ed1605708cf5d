"""sLSTM: i = exp(a_i), f = sigmoid(a_f) or exp(a_f); c = f c + i tanh(a_z), n = f n + i; h = sigmoid(a_o) c / n.

What is carried on is the average c / n, and n as a number from 1 to below 2 times 2^r (see `slstm_edges`): so nothing
overflows, and no step needs a logarithm. What is kept of a step are its share i / n of the average, the slope of log f,
tanh(a_z) and sigmoid(a_o).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.generic.slstm import MOST
from lamina.backends.numba.engine.algebra import copy_rows, size_of
from lamina.backends.numba.engine.elements import exponential, log_1p, mantissa, power, power_of_2, squash
from lamina.backends.numba.engine.forms.plain_gates import make_cell, pull_back
from lamina.backends.numba.engine.forms.recurrent import RecurrentForm
from lamina.backends.numba.engine.forms.slstm_edges import (
    COUNT,
    EDGES,
    FIRST,
    FIRST_DC,
    FIRST_DN,
    FIRST_M,
    FIRST_N,
    NORM,
    PEAK,
    PER_LOG_2,
    SCALE,
    kept_of,
    of_rows,
    share_of,
    wanted,
)
from lamina.backends.numba.engine.memory import array_at, compiled, integers_at, named, separate, uint

__all__ = ["SLSTMForm"]


class SLSTMForm(RecurrentForm):
    """The LSTM with exponential gates; its gates lie in the order i, f, z, o."""

    gates = 4
    cells = 3
    alone = 2
    running = COUNT


def _make_activate(sigmoid: bool) -> Any:
    """Return what turns gates into what is kept of a step, for a forget gate; one loop for both would be slower."""

    @compiled
    @named("sigmoid" if sigmoid else "exponential")
    def activate(
        rows: Any, units: Any, stride: Any, bounds: Any, i: Any, f: Any, z: Any, o: Any, before: Any, n: Any, r: Any,
        peak: Any, after: Any, h: Any,
    ) -> None:  # fmt: skip
        separate()
        one, least, most, tiny, per_log_2, per_log_half = bounds
        for row in range(rows):
            at, own, out = 4 * units * row, units * row, stride * row
            for k in range(units):
                gate, state = uint(at + k), uint(own + k)
                if sigmoid:  # what is out of bounds is an exponential
                    exponent = f[gate] * per_log_half
                    held = most if exponent > most else exponent
                    base = r[state] - (exponent - held)
                    small = power_of_2(least if held < least else held)
                    large = one / (one + small)
                    kept, steep = large * n[state], small * large
                else:
                    base, kept, steep = f[gate] * per_log_2 + r[state], n[state], one
                # Where i is so much larger, what was before is nothing beside it; and where it is so small, it is.
                a = i[gate]
                lowest = a * per_log_2 - most
                base = lowest if lowest > base else base
                exponent = a * per_log_2 - base
                opened = power_of_2(least if exponent < least else exponent)
                total = kept + opened
                part = one / total
                share, rest = opened * part, kept * part
                shut = o[gate] * per_log_half
                shut = most if shut > most else shut
                fresh, passed = squash(z[gate]), one / (one + power_of_2(least if shut < least else shut))
                top = rest * peak[state]
                average = rest * before[state] + share * fresh
                # The smaller of the two: see `share_of`.
                i[gate] = share if share <= rest else -tiny - rest
                f[gate], z[gate], o[gate] = steep, fresh, passed
                n[state], r[state], peak[state] = mantissa(total), base + power(total), share if share > top else top
                after[state] = average
                h[uint(out + k)] = passed * average

    return activate


_activate, _activate_exponential = _make_activate(True), _make_activate(False)


@compiled
def _sensitivities(rows: Any, units: Any, zero: Any, most: Any, exponents: Any, i: Any, f: Any, m: Any, q: Any) -> None:
    """Write the derivatives of c and n after the first step by those before, over n, where that before is 0."""
    separate()
    for row in range(rows):
        at, own = 4 * units * row, units * row
        for k in range(units):
            gate, state = uint(at + k), uint(own + k)
            log_f = f[gate]
            if exponents == 0:  # log sigmoid(a) = min(a, 0) - log(1 + exp(-|a|))
                small = exponential(-log_f if log_f > zero else log_f)
                log_f = (zero if log_f > zero else log_f) - log_1p(small)
            away = log_f + m[state] - i[gate]
            q[state] = exponential(most if away > most else away)


@compiled
def _step(
    p: Any, t: Any, row: Any, rows: Any, s: Any, g: Any, c_before: Any, c_after: Any, h: Any, stride: Any, dtype: Any
) -> None:
    u, much, wide, all_units = p.units, rows * p.columns, size_of(dtype) * p.units, rows * p.units
    i, f, own = array_at(g, much, dtype), array_at(g + wide, much, dtype), wide * row
    least, most, tiny = dtype(-126), dtype(100), dtype(1e-37)
    if size_of(dtype) == 8:
        least, most, tiny = dtype(-1022), dtype(900), dtype(1e-307)
    bounds = dtype(1), least, most, tiny, dtype(PER_LOG_2), dtype(-PER_LOG_2)
    if t == 0:
        _sensitivities(
            rows, u, dtype(0), dtype(MOST), p.exponents, i, f,
            array_at(of_rows(p, FIRST_M, dtype) + own, all_units, dtype),
            array_at(of_rows(p, FIRST, dtype) + own, all_units, dtype),
        )  # fmt: skip
    z, o, before = g + 2 * wide, g + 3 * wide, array_at(c_before, all_units, dtype)
    n, r = array_at(of_rows(p, NORM, dtype) + own, all_units, dtype), of_rows(p, SCALE, dtype) + own
    peak, after = of_rows(p, PEAK, dtype) + own, array_at(c_after, all_units, dtype)
    if p.exponents == 0:
        _activate(
            rows, u, stride, bounds, i, f, array_at(z, much, dtype), array_at(o, much, dtype), before, n,
            array_at(r, all_units, dtype), array_at(peak, all_units, dtype), after, array_at(h, rows * stride, dtype),
        )  # fmt: skip
    else:
        _activate_exponential(
            rows, u, stride, bounds, i, f, array_at(z, much, dtype), array_at(o, much, dtype), before, n,
            array_at(r, all_units, dtype), array_at(peak, all_units, dtype), after, array_at(h, rows * stride, dtype),
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
def _slopes_of_m(rows: Any, units: Any, t: Any, zero: Any, i: Any, f: Any, slope: Any, dm: Any, origin: Any) -> None:
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
    rows: Any, units: Any, one: Any, i: Any, o: Any, after: Any, n: Any, q: Any, dh: Any, da: Any, dn: Any,
    first_dc: Any, first_dn: Any,
) -> None:  # fmt: skip
    """Write the gradients of c and n before the first step."""
    separate()
    for row in range(rows):
        at, own = 4 * units * row, units * row
        for k in range(units):
            gate, state = uint(at + k), uint(own + k)
            average = da[state] + dh[state] * o[gate]
            by = q[state] if n[state] == one - one else kept_of(i[gate], one) / n[state]
            first_dc[state], first_dn[state] = average * by, (dn[state] - average * after[state]) * by


@compiled
def _step_back(p: Any, t: Any, rows: Any, s: Any, g: Any, c_before: Any, c_after: Any, dtype: Any) -> None:
    size, u, much, all_units = size_of(dtype), p.units, rows * p.columns, rows * p.units
    wide, apart = size * u, size * p.most * u
    i, f = array_at(g, much, dtype), array_at(g + wide, much, dtype)
    z, o = array_at(g + 2 * wide, much, dtype), array_at(g + 3 * wide, much, dtype)
    after, dh = array_at(c_after, all_units, dtype), array_at(p.dh, all_units, dtype)
    da, dn = array_at(p.dc, all_units, dtype), array_at(p.dc + apart, all_units, dtype)
    through = wanted(p)
    slopes = of_rows(p, NORM, dtype)  # free on the way back
    if through:
        copy_rows(rows, u, g + wide, p.columns, slopes, u, dtype)
    if t == 0:
        _slopes_of_first(
            rows, u, dtype(1), i, o, after, array_at(of_rows(p, FIRST_N, dtype), all_units, dtype),
            array_at(of_rows(p, FIRST, dtype), all_units, dtype), dh, da, dn,
            array_at(of_rows(p, FIRST_DC, dtype), all_units, dtype),
            array_at(of_rows(p, FIRST_DN, dtype), all_units, dtype),
        )  # fmt: skip
    _slopes(rows, u, dtype(1), i, f, z, o, array_at(c_before, all_units, dtype), after, dh, da, dn)
    if through:
        dm, slope = array_at(p.dc + 2 * apart, all_units, dtype), array_at(slopes, all_units, dtype)
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
