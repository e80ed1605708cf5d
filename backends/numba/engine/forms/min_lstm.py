"""MinLSTM: i, f = sigmoid and c = the products of x_t w_x + b; h_t = (f h_(t-1) + i c) / (f + i).

With I = exp(-i) and F = exp(-f) the share of h_(t-1) is (1 + I) / (1 + I + 1 + F). All are made smaller by the largest
of 1, I and F, so that none is infinite and the sum is at least 1, also where both sigmoids are 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.numba.engine.algebra import add_to, size_of
from lamina.backends.numba.engine.elements import power_of_2
from lamina.backends.numba.engine.forms.scan import ScanForm, scan_fields
from lamina.backends.numba.engine.forms.scan_passes import make_scans
from lamina.backends.numba.engine.memory import array_at, compiled, record_at, separate, uint

__all__ = ["MinLSTMForm"]

_PER_LOG_2 = 1.4426950408889634


class MinLSTMForm(ScanForm):
    """The minimal LSTM; its gates lie in the order i, f, c, and after a step of these the shares kept.

    The slopes of the share that is kept, by i less than 0 and by f, take the places of i and f.
    """

    wide = 3
    columns = 4


@compiled
def _mix(
    rows: Any, units: Any, one: Any, per_log_2: Any, least: Any, i: Any, f: Any, c: Any, share: Any, i_bias: Any,
    f_bias: Any, c_bias: Any, before: Any, after: Any,
) -> None:  # fmt: skip
    separate()
    zero = one - one
    for row in range(rows):
        at, own = 4 * units * row, units * row
        for k in range(units):
            gate, state = uint(at + k), uint(own + k)
            shut_i, shut_f = (i[gate] + i_bias[k]) * per_log_2, (f[gate] + f_bias[k]) * per_log_2
            most = shut_i if shut_i > shut_f else shut_f
            most = zero if most < zero else most
            top, by_i, by_f = -most, shut_i - most, shut_f - most
            unit = power_of_2(least if top < least else top)
            small_i = power_of_2(least if by_i < least else by_i)
            small_f = power_of_2(least if by_f < least else by_f)
            over_i, over_f = unit + small_i, unit + small_f
            part = one / (over_i + over_f)
            kept, taken, new = over_i * part, over_f * part, c[gate] + c_bias[k]
            # kept taken sigmoid(-i), as sigmoid(-i) = I / (1 + I).
            i[gate], f[gate] = small_i * part * taken, small_f * part * kept
            c[gate], share[gate] = new, kept
            after[state] = kept * before[state] + taken * new


@compiled
def _step(p: Any, rows: Any, g: Any, before: Any, after: Any, dtype: Any) -> None:
    u, much, wide = p.units, rows * p.columns, size_of(dtype) * p.units
    _mix(
        rows, u, dtype(1), dtype(-_PER_LOG_2), dtype(-126 if size_of(dtype) == 4 else -1022),
        array_at(g, much, dtype), array_at(g + wide, much, dtype), array_at(g + 2 * wide, much, dtype),
        array_at(g + 3 * wide, much, dtype), array_at(p.b, u, dtype), array_at(p.b + wide, u, dtype),
        array_at(p.b + 2 * wide, u, dtype), array_at(before, rows * u, dtype), array_at(after, rows * u, dtype),
    )  # fmt: skip


@compiled
def _slopes(
    rows: Any, units: Any, i: Any, f: Any, c: Any, share: Any, before: Any, carried: Any, di: Any, df: Any, dc: Any
) -> None:
    separate()
    for row in range(rows):
        at, own, out = 4 * units * row, units * row, 3 * units * row
        for k in range(units):
            gate, state, place = uint(at + k), uint(own + k), uint(out + k)
            new, d = c[gate], carried[state]
            kept, by = d * share[gate], d * (before[state] - new)
            di[place], df[place], dc[place] = -by * i[gate], by * f[gate], d - kept
            carried[state] = kept


@compiled
def _step_back(
    p: Any, rows: Any, g: Any, before: Any, after: Any, carried: Any, dy: Any, da: Any, dtype: Any
) -> None:  # fmt: skip
    u, much, wide = p.units, rows * p.columns, size_of(dtype) * p.units
    if dy != 0:
        add_to(rows * u, dy, carried, dtype)
    _slopes(
        rows, u, array_at(g, much, dtype), array_at(g + wide, much, dtype), array_at(g + 2 * wide, much, dtype),
        array_at(g + 3 * wide, much, dtype), array_at(before, rows * u, dtype), array_at(carried, rows * u, dtype),
        array_at(da, much, dtype), array_at(da + wide, much, dtype), array_at(da + 2 * wide, much, dtype),
    )  # fmt: skip


_forward, _backward = make_scans(record_at(scan_fields(MinLSTMForm)), _step, _step_back)


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
