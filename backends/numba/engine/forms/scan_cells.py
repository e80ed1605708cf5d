"""MinGRU, MinLSTM and IndRNN.

MinGRU has h_t = (1 - z) h_(t-1) + z c with z = sigmoid and c = products of x_t w_x + b. MinLSTM has h_t = (f h_(t-1) +
i c) / (f + i), with i, f = sigmoid. IndRNN has h_t = relu, or tanh, of x_t w_x + b + w_h h_(t-1), element by element.

With I = exp(-i) and F = exp(-f) the share of h_(t-1) in MinLSTM's is (1 + I) / (1 + I + 1 + F). All are made smaller by
the largest of 1, I and F, so that none is infinite and the sum is at least 1, also where both sigmoids are 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.numba.engine.algebra import add_to, clear, size_of
from lamina.backends.numba.engine.elements import power_of_2, squash
from lamina.backends.numba.engine.forms.scan import ScanForm, scan_fields
from lamina.backends.numba.engine.forms.scan_passes import GATED, make_scans
from lamina.backends.numba.engine.memory import array_at, compiled, record_at, separate, uint
from lamina.backends.numba.engine.room import Task

__all__ = ["IndRNNForm", "MinGRUForm", "MinLSTMForm"]

_PER_LOG_2 = 1.4426950408889634


class MinGRUForm(ScanForm):
    """The minimal GRU; its gates lie in the order z, c."""

    prefix = "min_gru_"
    wide = 2
    columns = 2


class MinLSTMForm(ScanForm):
    """The minimal LSTM; its gates lie in the order i, f, c, and after a step of these the shares kept.

    The slopes of the share that is kept, by i less than 0 and by f, take the places of i and f.
    """

    prefix = "min_lstm_"
    wide = 3
    columns = 4


class IndRNNForm(ScanForm):
    """The independently recurrent layer; ``sums`` are those of w_h's gradient of a chunk."""

    prefix = "ind_rnn_"
    names = ("w_x", "w_h", "b")
    further = "sums"

    def backward(self) -> list[Task]:
        """Return the one task."""
        self.record["sums"] = self.room.floats(int(self.record["units"][0]))
        return super().backward()


@compiled
def _mix_two(rows: Any, units: Any, half: Any, z: Any, c: Any, b: Any, d: Any, before: Any, after: Any) -> None:
    separate()
    for row in range(rows):
        at, own = 2 * units * row, units * row
        for k in range(units):
            gate, state = uint(at + k), uint(own + k)
            share, new = half * squash(half * (z[gate] + b[k])), c[gate] + d[k]
            opened = half + share
            z[gate], c[gate], after[state] = opened, new, (half - share) * before[state] + opened * new


@compiled
def _gru_step(p: Any, rows: Any, g: Any, before: Any, after: Any, dtype: Any) -> None:
    u, much, wide = p.units, rows * p.columns, size_of(dtype) * p.units
    _mix_two(
        rows, u, dtype(0.5), array_at(g, much, dtype), array_at(g + wide, much, dtype), array_at(p.b, u, dtype),
        array_at(p.b + wide, u, dtype), array_at(before, rows * u, dtype), array_at(after, rows * u, dtype),
    )  # fmt: skip


@compiled
def _gru_slopes(rows: Any, units: Any, one: Any, z: Any, c: Any, before: Any, carried: Any, dz: Any, dc: Any) -> None:
    separate()
    for row in range(rows):
        at, own = 2 * units * row, units * row
        for k in range(units):
            gate, state = uint(at + k), uint(own + k)
            opened, new, d = z[gate], c[gate], carried[state]
            by = d * opened
            dz[gate], dc[gate] = by * (one - opened) * (new - before[state]), by
            carried[state] = d - by


@compiled
def _gru_step_back(p: Any, rows: Any, g: Any, before: Any, after: Any, carried: Any, da: Any, dtype: Any) -> None:
    u, much, wide = p.units, rows * p.columns, size_of(dtype) * p.units
    _gru_slopes(
        rows, u, dtype(1), array_at(g, much, dtype), array_at(g + wide, much, dtype),
        array_at(before, rows * u, dtype), array_at(carried, rows * u, dtype), array_at(da, much, dtype),
        array_at(da + wide, much, dtype),
    )  # fmt: skip


_gru_forward, _gru_backward = make_scans(record_at(scan_fields(MinGRUForm)), _gru_step, _gru_step_back)


@compiled
def _mix_three(
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
def _lstm_step(p: Any, rows: Any, g: Any, before: Any, after: Any, dtype: Any) -> None:
    u, much, wide = p.units, rows * p.columns, size_of(dtype) * p.units
    _mix_three(
        rows, u, dtype(1), dtype(-_PER_LOG_2), dtype(-126 if size_of(dtype) == 4 else -1022),
        array_at(g, much, dtype), array_at(g + wide, much, dtype), array_at(g + 2 * wide, much, dtype),
        array_at(g + 3 * wide, much, dtype), array_at(p.b, u, dtype), array_at(p.b + wide, u, dtype),
        array_at(p.b + 2 * wide, u, dtype), array_at(before, rows * u, dtype), array_at(after, rows * u, dtype),
    )  # fmt: skip


@compiled
def _lstm_slopes(
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
def _lstm_step_back(p: Any, rows: Any, g: Any, before: Any, after: Any, carried: Any, da: Any, dtype: Any) -> None:
    u, much, wide = p.units, rows * p.columns, size_of(dtype) * p.units
    _lstm_slopes(
        rows, u, array_at(g, much, dtype), array_at(g + wide, much, dtype), array_at(g + 2 * wide, much, dtype),
        array_at(g + 3 * wide, much, dtype), array_at(before, rows * u, dtype), array_at(carried, rows * u, dtype),
        array_at(da, much, dtype), array_at(da + wide, much, dtype), array_at(da + 2 * wide, much, dtype),
    )  # fmt: skip


_lstm_forward, _lstm_backward = make_scans(record_at(scan_fields(MinLSTMForm)), _lstm_step, _lstm_step_back)


@compiled
def _add(rows: Any, units: Any, relu: Any, w: Any, b: Any, before: Any, after: Any) -> None:
    separate()
    for row in range(rows):
        own = units * row
        if relu:
            for k in range(units):
                state = uint(own + k)
                a = after[state] + b[k] + w[k] * before[state]
                after[state] = a if a > 0 or a != a else after.dtype.type(0)
        else:
            for k in range(units):
                state = uint(own + k)
                after[state] = squash(after[state] + b[k] + w[k] * before[state])


@compiled
def _rnn_step(p: Any, rows: Any, g: Any, before: Any, after: Any, dtype: Any) -> None:
    u = p.units
    _add(
        rows, u, p.relu != 0, array_at(p.w_h, u, dtype), array_at(p.b, u, dtype), array_at(before, rows * u, dtype),
        array_at(after, rows * u, dtype),
    )  # fmt: skip


@compiled
def _rnn_slopes(
    rows: Any, units: Any, relu: Any, one: Any, w: Any, before: Any, after: Any, carried: Any, da: Any, sums: Any
) -> None:
    separate()
    for row in range(rows):
        own = units * row
        for k in range(units):
            state = uint(own + k)
            h, d = after[state], carried[state]
            d *= (one if h > 0 else one - one) if relu else one - h * h
            da[state], carried[state] = d, d * w[k]
            sums[k] += d * before[state]


@compiled
def _rnn_step_back(p: Any, rows: Any, g: Any, before: Any, after: Any, carried: Any, da: Any, dtype: Any) -> None:
    u = p.units
    _rnn_slopes(
        rows, u, p.relu != 0, dtype(1), array_at(p.w_h, u, dtype), array_at(before, rows * u, dtype),
        array_at(after, rows * u, dtype), array_at(carried, rows * u, dtype), array_at(da, rows * u, dtype),
        array_at(p.sums, u, dtype),
    )  # fmt: skip


@compiled
def _enter_back(p: Any, at: Any, rows: Any, dtype: Any) -> None:
    clear(p.units, p.sums, dtype)


_finish_gates = GATED.finish


@compiled
def _finish(p: Any, at: Any, rows: Any, dtype: Any) -> None:
    if p.dw_h != 0:
        add_to(p.units, p.sums, p.dw_h, dtype)
    _finish_gates(p, at, rows, dtype)


_scan = GATED._replace(enter_back=_enter_back, finish=_finish)
_rnn_forward, _rnn_backward = make_scans(record_at(scan_fields(IndRNNForm)), _rnn_step, _rnn_step_back, _scan)


def min_gru_forward_float32(address: Any) -> None:
    """Run over all steps."""
    _gru_forward(address, np.float32)


def min_gru_forward_float64(address: Any) -> None:
    """Run over all steps."""
    _gru_forward(address, np.float64)


def min_gru_backward_float32(address: Any) -> None:
    """Run back over all steps."""
    _gru_backward(address, np.float32)


def min_gru_backward_float64(address: Any) -> None:
    """Run back over all steps."""
    _gru_backward(address, np.float64)


def min_lstm_forward_float32(address: Any) -> None:
    """Run over all steps."""
    _lstm_forward(address, np.float32)


def min_lstm_forward_float64(address: Any) -> None:
    """Run over all steps."""
    _lstm_forward(address, np.float64)


def min_lstm_backward_float32(address: Any) -> None:
    """Run back over all steps."""
    _lstm_backward(address, np.float32)


def min_lstm_backward_float64(address: Any) -> None:
    """Run back over all steps."""
    _lstm_backward(address, np.float64)


def ind_rnn_forward_float32(address: Any) -> None:
    """Run over all steps."""
    _rnn_forward(address, np.float32)


def ind_rnn_forward_float64(address: Any) -> None:
    """Run over all steps."""
    _rnn_forward(address, np.float64)


def ind_rnn_backward_float32(address: Any) -> None:
    """Run back over all steps."""
    _rnn_backward(address, np.float32)


def ind_rnn_backward_float64(address: Any) -> None:
    """Run back over all steps."""
    _rnn_backward(address, np.float64)
