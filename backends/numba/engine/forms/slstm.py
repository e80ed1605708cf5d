"""sLSTM: i = exp(a_i), f = sigmoid(a_f) or exp(a_f); c = f c + i tanh(a_z), n = f n + i; h = sigmoid(a_o) c / n.

c and n are divided by exp(m), the largest that any of their terms has been: m = max(log f + m, a_i). Of the two
exponents log f + m' - m and a_i - m one is 0: where m came through f, i is below 1. The slope of log f is kept as a
fifth gate.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.generic.slstm import MOST
from lamina.backends.numba.engine.algebra import size_of
from lamina.backends.numba.engine.elements import exponential, log_1p, sigmoid, squash
from lamina.backends.numba.engine.forms.plain_gates import make_cell, pull_back
from lamina.backends.numba.engine.forms.recurrent import RecurrentForm
from lamina.backends.numba.engine.memory import array_at, compiled, separate, uint

__all__ = ["SLSTMForm"]


class SLSTMForm(RecurrentForm):
    """The LSTM with exponential gates; its gates lie in the order i, f, z, o."""

    gates = 5
    cells = 3


@compiled
def _activate(
    rows: Any, units: Any, stride: Any, half: Any, most: Any, exponents: Any, i: Any, f: Any, z: Any, o: Any,
    slope: Any, c: Any, n: Any, m: Any, c_after: Any, n_after: Any, m_after: Any, h: Any,
) -> None:  # fmt: skip
    separate()
    one, zero = half + half, half - half
    for row in range(rows):
        at, own, out = 5 * units * row, units * row, stride * row
        for k in range(units):
            gate, state = uint(at + k), uint(own + k)
            a, forget = i[gate], f[gate]
            steep, log_f = one, forget
            if exponents == 0:  # log sigmoid(a) = min(a, 0) - log(1 + exp(-|a|))
                small = exponential(-forget if forget > zero else forget)
                log_f = (zero if forget > zero else forget) - log_1p(small)
                steep = (small if forget > zero else one) / (one + small)
            before, total = m[state], n[state]
            carried = log_f + before
            through = carried > a and total != zero
            # One of the two exponents is 0.
            away = a - carried if through else carried - a
            share = exponential(most if away > most else away)
            opened, kept = share if through else one, one if through else share
            new, passed = squash(z[gate]), sigmoid(o[gate], half)
            cell, count = kept * c[state] + opened * new, kept * total + opened
            i[gate], f[gate], z[gate], o[gate] = opened, kept, new, passed
            slope[gate] = steep
            c_after[state], n_after[state], m_after[state] = cell, count, carried if through else a
            h[uint(out + k)] = passed * cell / count


@compiled
def _step(p: Any, rows: Any, s: Any, g: Any, c_before: Any, c_after: Any, h: Any, stride: Any, dtype: Any) -> None:
    u, much, wide, all_units = p.units, rows * p.columns, size_of(dtype) * p.units, rows * p.units
    across = size_of(dtype) * p.across
    _activate(
        rows, u, stride, dtype(0.5), dtype(MOST), p.exponents,
        array_at(g, much, dtype), array_at(g + wide, much, dtype), array_at(g + 2 * wide, much, dtype),
        array_at(g + 3 * wide, much, dtype), array_at(g + 4 * wide, much, dtype), array_at(c_before, all_units, dtype),
        array_at(c_before + across, all_units, dtype), array_at(c_before + 2 * across, all_units, dtype),
        array_at(c_after, all_units, dtype), array_at(c_after + across, all_units, dtype),
        array_at(c_after + 2 * across, all_units, dtype), array_at(h, rows * stride, dtype),
    )  # fmt: skip


@compiled
def _slopes(
    rows: Any, units: Any, one: Any, i: Any, f: Any, z: Any, o: Any, slope: Any, c: Any, n: Any, c_after: Any,
    n_after: Any, dh: Any, dc: Any, dn: Any, dm: Any,
) -> None:  # fmt: skip
    separate()
    zero = one - one
    for row in range(rows):
        at, own = 5 * units * row, units * row
        for k in range(units):
            gate, state = uint(at + k), uint(own + k)
            opened, kept, new, passed, steep = i[gate], f[gate], z[gate], o[gate], slope[gate]
            d, count = dh[state], n_after[state]
            average, share = c_after[state] / count, d / count
            cell = dc[state] + share * passed
            total = dn[state] - share * passed * average
            by_f = (cell * c[state] + total * n[state]) * kept
            by_i = (cell * new + total) * opened
            rest = dm[state] - by_f - by_i
            through_f = rest if opened < one else zero
            by_f, by_i = by_f + through_f, by_i + (rest - through_f)
            i[gate], f[gate] = by_i, by_f * steep
            z[gate] = cell * opened * (one - new * new)
            o[gate] = d * average * passed * (one - passed)
            dc[state], dn[state], dm[state] = cell * kept, total * kept, by_f


@compiled
def _step_back(p: Any, rows: Any, s: Any, g: Any, c_before: Any, c_after: Any, first: Any, dtype: Any) -> None:
    size, u, much, all_units = size_of(dtype), p.units, rows * p.columns, rows * p.units
    wide, across, apart = size * u, size * p.across, size * p.most * u
    _slopes(
        rows, u, dtype(1),
        array_at(g, much, dtype), array_at(g + wide, much, dtype), array_at(g + 2 * wide, much, dtype),
        array_at(g + 3 * wide, much, dtype), array_at(g + 4 * wide, much, dtype), array_at(c_before, all_units, dtype),
        array_at(c_before + across, all_units, dtype), array_at(c_after, all_units, dtype),
        array_at(c_after + across, all_units, dtype), array_at(p.dh, all_units, dtype),
        array_at(p.dc, all_units, dtype), array_at(p.dc + apart, all_units, dtype),
        array_at(p.dc + 2 * apart, all_units, dtype),
    )  # fmt: skip
    pull_back(p, rows, g, first, dtype)


_forward, _backward, _infer = make_cell(_step, _step_back)


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
