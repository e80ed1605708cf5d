"""LRU: s_t = l s_(t-1) + g (x_t w_b), y_t = s_t w_c + x_t w_d, l = exp(-n + i p); real parts lie before imaginary ones.

g is a factor of w_b's columns once a pass. Outputs of all steps are products of all states; where only the last one is
wanted, of the last states alone, and so its gradient enters with that of the last state.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.numba.engine.algebra import add_product, add_to, clear, copy, pack, product, size_of
from lamina.backends.numba.engine.forms.lru_eigenvalues import (
    add_eigenvalues,
    add_gains,
    add_scaled,
    eigenvalues,
    scale,
)
from lamina.backends.numba.engine.forms.scan import ScanForm, scan_fields
from lamina.backends.numba.engine.forms.scan_passes import GATED, last_place, make_scans, multiply
from lamina.backends.numba.engine.memory import array_at, compiled, integers_at, record_at, separate, uint
from lamina.backends.numba.engine.products import packed_size
from lamina.backends.numba.engine.room import Room, Task
from lamina.backends.program import Call

__all__ = ["LRUForm"]


class LRUForm(ScanForm):
    """The linear recurrent unit.

    ``turn`` has the real and the imaginary part of l, then g, n and p; ``into`` is w_b times g. ``last_x`` is room for
    what the last steps read, and for its gradient. ``sums`` are those of l's gradient, and of a chunk; ``d_into`` is
    w_b's gradient before it is multiplied by g.
    """

    names = ("eigenvalues", "w_b", "w_c", "w_d")
    wide = 2
    cells = 1
    further = "turn into packed_c packed_d last_x sums d_into back_c back_d"

    def __init__(self, call: Call, room: Room) -> None:
        super().__init__(call, room)
        x, units = call.inputs[0], self._last.features
        self.record["turn"] = room.floats(5 * units)
        self.record["into"] = room.floats(2 * x.features * units)
        self.record["packed_c"] = room.floats(packed_size(2 * units, units, room.dtype))
        self.record["packed_d"] = room.floats(packed_size(x.features, units, room.dtype))
        self.record["last_x"] = room.floats(room.rows * x.features)

    def backward(self) -> list[Task]:
        """Return the one task."""
        room, x, units = self.room, self.call.inputs[0], self._last.features
        self.record["sums"] = room.floats(4 * units)
        self.record["d_into"] = room.floats(2 * x.features * units)
        self.record["back_c"] = room.floats(packed_size(units, 2 * units, room.dtype))
        self.record["back_d"] = room.floats(packed_size(units, x.features, room.dtype))
        return super().backward()


@compiled
def _pack(p: Any, few: Any, dtype: Any) -> None:
    size, u, f = size_of(dtype), p.units, p.features
    one = size * u
    eigenvalues(
        u, array_at(p.eigenvalues, 3 * u, dtype), array_at(p.turn, u, dtype), array_at(p.turn + one, u, dtype),
        array_at(p.turn + 2 * one, u, dtype), array_at(p.turn + 3 * one, u, dtype),
        array_at(p.turn + 4 * one, u, dtype),
    )  # fmt: skip
    gain = array_at(p.turn + 2 * one, u, dtype)
    scale(f, u, gain, array_at(p.w_b, 2 * f * u, dtype), array_at(p.into, 2 * f * u, dtype))
    if not few:
        pack(f, 2 * u, p.into, 2 * u, 1, p.packed, 0, f, dtype)
        pack(2 * u, u, p.w_c, u, 1, p.packed_c, 0, 2 * u, dtype)
        pack(f, u, p.w_d, u, 1, p.packed_d, 0, f, dtype)


@compiled
def _enter(p: Any, few: Any, at: Any, rows: Any, dtype: Any) -> None:
    size, f, n = size_of(dtype), p.features, p.wide
    multiply(few, rows, n, f, p.x + size * at * f, p.into, p.packed, p.states + size * at * n, n, 0, dtype)


@compiled
def _turn(
    rows: Any, units: Any, real: Any, imaginary: Any, before: Any, before_imaginary: Any, after: Any,
    after_imaginary: Any,
) -> None:  # fmt: skip
    separate()
    for row in range(rows):
        at = 2 * units * row
        for k in range(units):
            j = uint(at + k)
            a, b, re, im = real[k], imaginary[k], before[j], before_imaginary[j]
            after[j] += a * re - b * im
            after_imaginary[j] += b * re + a * im


@compiled
def _step(p: Any, rows: Any, g: Any, before: Any, after: Any, dtype: Any) -> None:
    u, much, one = p.units, 2 * rows * p.units, size_of(dtype) * p.units
    _turn(
        rows, u, array_at(p.turn, u, dtype), array_at(p.turn + one, u, dtype), array_at(before, much, dtype),
        array_at(before + one, much, dtype), array_at(after, much, dtype), array_at(after + one, much, dtype),
    )  # fmt: skip


@compiled
def _outputs(p: Any, few: Any, rows: Any, s: Any, x: Any, y: Any, dtype: Any) -> None:
    u, f = p.units, p.features
    multiply(few, rows, u, 2 * u, s, p.w_c, p.packed_c, y, u, 0, dtype)
    multiply(few, rows, u, f, x, p.w_d, p.packed_d, y, u, 1, dtype)


@compiled
def _leave(p: Any, few: Any, at: Any, rows: Any, dtype: Any) -> None:
    size, u, f = size_of(dtype), p.units, p.features
    if p.y != 0:
        _outputs(
            p, few, rows, p.states + size * at * 2 * u, p.x + size * at * f, p.y + size * at * u, dtype
        )  # fmt: skip


@compiled
def _gather_last(p: Any, frame: Any, live: Any, width: Any, source: Any, target: Any, dtype: Any) -> None:
    size = size_of(dtype)
    for k in range(live):
        place = last_place(frame, k, p.reverse != 0)
        copy(width, source + size * place * width, target + size * k * width, dtype)


@compiled
def _last_state(p: Any) -> Any:
    return integers_at(p.lasts, 1)[0]


@compiled
def _end(p: Any, few: Any, frame: Any, live: Any, dtype: Any) -> None:
    u, past = p.units, size_of(dtype) * live * p.units
    if p.y != 0:
        _gather_last(p, frame, live, u, p.y, p.last, dtype)
    else:
        _gather_last(p, frame, live, p.features, p.x, p.last_x, dtype)
        _outputs(p, few, live, _last_state(p), p.last_x, p.last, dtype)
    if p.h == 0:
        clear((frame.rows - live) * u, p.last + past, dtype)
    elif p.h != p.last:
        copy((frame.rows - live) * u, p.h + past, p.last + past, dtype)


@compiled
def _add_products(p: Any, rows: Any, s: Any, x: Any, dy: Any, dtype: Any) -> None:
    u, f = p.units, p.features
    if p.dw_c != 0:
        add_product(rows, 2 * u, u, s, 2 * u, dy, u, p.dw_c, u, p.chunk, dtype)
    if p.dw_d != 0:
        add_product(rows, f, u, x, f, dy, u, p.dw_d, u, p.chunk, dtype)


@compiled
def _begin_back(p: Any, frame: Any, live: Any, dtype: Any) -> None:
    u, f = p.units, p.features
    clear(2 * u, p.sums, dtype)
    clear(2 * f * u, p.d_into, dtype)
    pack(u, 2 * u, p.w_c, 1, u, p.back_c, 0, u, dtype)
    if p.dx != 0:
        pack(2 * u, f, p.into, 1, 2 * u, p.back, 0, 2 * u, dtype)
        pack(u, f, p.w_d, 1, u, p.back_d, 0, u, dtype)
    if p.dlast != 0:
        _gather_last(p, frame, live, f, p.x, p.last_x, dtype)
        product(live, 2 * u, u, p.dlast, u, 1, p.back_c, 0, u, p.carried, 2 * u, 1, dtype)
        _add_products(p, live, _last_state(p), p.last_x, p.dlast, dtype)


@compiled
def _enter_back(p: Any, at: Any, rows: Any, dtype: Any) -> None:
    u = p.units
    clear(2 * u, p.sums + size_of(dtype) * 2 * u, dtype)
    if p.dy != 0:
        dy = p.dy + size_of(dtype) * at * u
        product(rows, 2 * u, u, dy, u, 1, p.back_c, 0, u, p.da, 2 * u, 0, dtype)
    else:
        clear(rows * 2 * u, p.da, dtype)


@compiled
def _slopes(
    rows: Any, units: Any, real: Any, imaginary: Any, re: Any, im: Any, carried: Any, carried_imaginary: Any, da: Any,
    da_imaginary: Any, sums: Any, sums_imaginary: Any,
) -> None:  # fmt: skip
    separate()
    for row in range(rows):
        at = 2 * units * row
        for k in range(units):
            j = uint(at + k)
            a, b, x, y = real[k], imaginary[k], da[j] + carried[j], da_imaginary[j] + carried_imaginary[j]
            da[j], da_imaginary[j] = x, y
            sums[k] += x * re[j] + y * im[j]
            sums_imaginary[k] += y * re[j] - x * im[j]
            carried[j], carried_imaginary[j] = a * x + b * y, a * y - b * x


@compiled
def _step_back(p: Any, rows: Any, g: Any, before: Any, after: Any, carried: Any, da: Any, dtype: Any) -> None:
    u, much, one = p.units, 2 * rows * p.units, size_of(dtype) * p.units
    _slopes(
        rows, u, array_at(p.turn, u, dtype), array_at(p.turn + one, u, dtype), array_at(before, much, dtype),
        array_at(before + one, much, dtype), array_at(carried, much, dtype), array_at(carried + one, much, dtype),
        array_at(da, much, dtype), array_at(da + one, much, dtype), array_at(p.sums + 2 * one, u, dtype),
        array_at(p.sums + 3 * one, u, dtype),
    )  # fmt: skip


@compiled
def _finish(p: Any, at: Any, rows: Any, dtype: Any) -> None:
    size, u, f = size_of(dtype), p.units, p.features
    x = p.x + size * at * f
    add_to(2 * u, p.sums + size * 2 * u, p.sums, dtype)
    if p.dw_b != 0 or p.deigenvalues != 0:
        add_product(rows, f, 2 * u, x, f, p.da, 2 * u, p.d_into, 2 * u, p.chunk, dtype)
    dx = p.dx + size * at * f
    if p.dx != 0:
        product(rows, f, 2 * u, p.da, 2 * u, 1, p.back, 0, 2 * u, dx, f, 0, dtype)
    if p.dy != 0:
        dy = p.dy + size * at * u
        _add_products(p, rows, p.states + size * at * 2 * u, x, dy, dtype)
        if p.dx != 0:
            product(rows, f, u, dy, u, 1, p.back_d, 0, u, dx, f, 1, dtype)


@compiled
def _end_back(p: Any, frame: Any, live: Any, dtype: Any) -> None:
    size, u, f = size_of(dtype), p.units, p.features
    one, much = size * u, 2 * f * u
    gain, d_into = array_at(p.turn + 2 * one, u, dtype), array_at(p.d_into, much, dtype)
    if p.deigenvalues != 0:
        clear(u, p.row, dtype)
        dgain = array_at(p.row, u, dtype)
        add_gains(f, u, array_at(p.w_b, much, dtype), d_into, dgain)
        add_eigenvalues(
            u, array_at(p.turn, u, dtype), array_at(p.turn + one, u, dtype), gain,
            array_at(p.turn + 3 * one, u, dtype), array_at(p.turn + 4 * one, u, dtype), array_at(p.sums, u, dtype),
            array_at(p.sums + one, u, dtype), dgain, array_at(p.deigenvalues, 3 * u, dtype),
        )  # fmt: skip
    if p.dw_b != 0:
        add_scaled(f, u, gain, d_into, array_at(p.dw_b, much, dtype))
    if p.dlast != 0 and p.dx != 0:
        product(live, f, u, p.dlast, u, 1, p.back_d, 0, u, p.last_x, f, 0, dtype)
        for k in range(live):
            add_to(f, p.last_x + size * k * f, p.dx + size * last_place(frame, k, p.reverse != 0) * f, dtype)
    if p.dh_first != 0:
        clear(live * u, p.dh_first, dtype)
        past = size * live * u
        if p.dlast != 0:
            copy((frame.rows - live) * u, p.dlast + past, p.dh_first + past, dtype)
        else:
            clear((frame.rows - live) * u, p.dh_first + past, dtype)


_scan = GATED._replace(
    pack=_pack, enter=_enter, leave=_leave, end=_end, begin_back=_begin_back, enter_back=_enter_back, finish=_finish,
    end_back=_end_back,
)  # fmt: skip
_forward, _backward = make_scans(record_at(scan_fields(LRUForm)), _step, _step_back, _scan)


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
