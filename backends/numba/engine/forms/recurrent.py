"""Whole recurrent passes: what SimpleRNN, LSTM and GRU share.

One idea carries all three. A step's sources lie side by side in one row,

    s_t = [ x_t | h_(t-1) | 1 ]             (features, units, 1)

so that one matrix, w_x above w_h above the bias, gives all gates by one product, and its gradient is one product too:
parameters lie side by side in the same order. A cell may take another order.
Rows of all steps lie packed, as frames have them: a step's are the rows that still run.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.numba.engine.algebra import CHUNK, clear, copy, size_of
from lamina.backends.numba.engine.forms.form import Form, fields
from lamina.backends.numba.engine.frames import frame_at
from lamina.backends.numba.engine.memory import array_at, compiled, integers_at, named, record_at
from lamina.backends.numba.engine.products import packed_size
from lamina.backends.numba.engine.room import Room, Task, address_of_array
from lamina.backends.program import Call

__all__ = ["FEW", "RecurrentForm", "drop", "make_passes", "recurrent_at"]

#: Rows of a batch, at most, that inference computes one by one.
FEW = 2

#: Sizes in elements, addresses in bytes. ``columns`` are those of the gates' products, ``wide`` those of the weights.
#: ``whole_at`` is where h stands that no mask has met: ``h_at``, but for a cell that carries it on beside its products.
#: ``count`` is how many states there are beside h, c and so on; ``firsts``, ``lasts``, ``dlasts`` and ``dfirsts`` are
#: tables of their addresses. ``cells`` holds each of them after each step, ``across`` numbers from one to the next.
RECURRENT = fields(
    "frame features units columns wide depth stride most reverse relu exponents x_at h_at one_at whole_at "
    "x y h last w_x w_h b b_h dw_x dw_h db db_h dx dy dlast dh_first count across firsts lasts dlasts dfirsts "
    "packed back back_x sources gates cells dh dc chunk spare row mask"
)
recurrent_at = record_at(RECURRENT)


_TABLES = "firsts", "lasts", "dlasts", "dfirsts"


class RecurrentForm(Form):
    """A recurrent layer over all steps of a block's rows.

    Attributes
    ----------
    gates : int
        How many columns of units the products of a step have.
    cells : int
        How many states there are beside h.
    carries : bool
        Whether h goes on beside its products: a mask meets these alone.
    """

    gates = 1
    cells = 0
    carries = False

    def places(self, features: int, units: int) -> tuple[int, int, int]:
        """Return where x, h and 1 stand in a row of sources."""
        return 0, features, features + units

    def beside(self, units: int) -> int:
        """Return how many columns more a row of sources has, of the cell's own."""
        return 0

    def __init__(self, call: Call, room: Room) -> None:
        super().__init__(call, room)
        x, *states = call.inputs
        mask = states.pop() if call.options.get("state_mask") else None
        own = len(call.outputs) - self.cells
        *sequence, last = call.outputs[:own]
        self._y = sequence[0] if sequence else None
        self._last, self._lasts, self._states = last, call.outputs[own:], states
        units, features = last.features, x.features
        columns, depth = self.gates * units, units + 1 + features
        whole = mask is not None and self.carries
        across = depth + self.beside(units)
        lines = -(-(across + units * whole) * room.size // 64)
        stride = 64 // room.size * (lines + (lines % 2 == 0))  # an odd number of cache lines
        most, weights, zeros = room.most(x), call.weights, room.floats(columns)
        w_h = weights["w_h"]
        assert w_h is not None
        #: The addresses of states beside h.
        self.tables = {name: room.take(max(self.cells, 1), np.int64) for name in _TABLES}
        self.tables["lasts"][: self.cells] = [room.value(one) for one in self._lasts]
        if states:
            self.tables["firsts"][: self.cells] = [room.value(one) for one in states[1:]]
        x_at, h_at, one_at = self.places(features, units)
        self.record = room.record(
            RECURRENT,
            x_at=x_at, h_at=h_at, one_at=one_at, whole_at=across if whole else h_at,
            frame=room.frame(x.frame), features=features, units=units, columns=columns, depth=depth, stride=stride,
            wide=w_h.data.shape[1], most=room.rows, reverse=bool(call.options.get("reverse")),
            relu=call.options.get("activation") == "relu", exponents=call.options.get("forget") == "exp",
            x=room.value(x), y=room.value(self._y) if self._y else 0, last=room.value(last),
            h=room.value(states[0]) if states else 0, count=self.cells, across=(room.rows + most) * units,
            **{name: address_of_array(table) for name, table in self.tables.items()},
            w_x=room.weights(weights["w_x"]), w_h=room.weights(weights["w_h"]),
            b=room.weights(weights.get("b")) or zeros, b_h=room.weights(weights.get("b_h")) or zeros,
            packed=room.floats(self.gates * packed_size(depth, units, room.dtype) + depth * 64),
            sources=room.floats(most * stride + stride), gates=room.floats(most * columns),
            cells=room.floats(self.cells * (room.rows + most) * units),
            spare=room.floats(room.rows * units), mask=room.value(mask) if mask else 0,
        )  # fmt: skip

    def forward(self) -> list[Task]:
        """Return the one task."""
        few = self.room.program.loss is None and self.room.rows <= FEW
        return [self.task("infer" if few else "forward", self.record)]

    def backward(self) -> list[Task]:
        """Return the one task."""
        call, room, record = self.call, self.room, self.record
        x, states = call.inputs[0], self._states
        record["dy"] = room.upstream(self._y) if self._y else 0
        record["dlast"] = room.upstream(self._last)
        self.tables["dlasts"][: self.cells] = [room.upstream(one) for one in self._lasts]
        if not (record["dy"] or record["dlast"] or self.tables["dlasts"].any()):
            return []
        for name in ("w_x", "w_h", "b", "b_h"):
            record[f"d{name}"] = room.gradient_of(call.weights.get(name))
        record["dx"] = room.downstream(x)
        if states:
            record["dh_first"] = room.downstream(states[0])
            self.tables["dfirsts"][: self.cells] = [room.downstream(one) for one in states[1:]]
        units, features, columns = int(record["units"][0]), x.features, int(record["columns"][0])
        most = CHUNK + room.rows
        record["row"] = room.floats(columns)
        record["back"] = room.floats(packed_size(columns, units, room.dtype))
        record["dh"], record["dc"] = room.floats(room.rows * units), room.floats(self.cells * room.rows * units)
        record["chunk"] = room.floats(packed_size(most, columns, room.dtype))
        if record["dx"]:
            record["back_x"] = room.floats(packed_size(columns, features, room.dtype))
            if record["reverse"]:
                record["spare"] = room.floats(max(most * features, room.rows * units))
        return [self.task("backward", record)]


@compiled
def _place(frame: Any, k: Any, t: Any, reverse: Any) -> Any:
    """Return where the k-th row's t-th step, in reading order, lies."""
    if reverse:
        t = integers_at(frame.lengths, frame.rows)[k] - 1 - t
    return integers_at(frame.offsets, frame.steps + 1)[t] + k


@compiled
def _fill(p: Any, frame: Any, here: Any, t: Any, s: Any, dtype: Any) -> None:
    """Put 1 and x_t into the sources of a step."""
    size = size_of(dtype)
    for k in range(here):
        own = s + size * k * p.stride
        array_at(own + size * p.one_at, 1, dtype)[0] = 1
        source = p.x + size * p.features * _place(frame, k, t, p.reverse != 0)
        copy(p.features, source, own + size * p.x_at, dtype)


@compiled
def drop(p: Any, rows: Any, stride: Any, h: Any, dtype: Any) -> None:
    """Multiply states, or their gradients, by the mask that a row has at all steps."""
    u, size = p.units, size_of(dtype)
    for k in range(rows):
        own, mask = array_at(h + size * k * stride, u, dtype), array_at(p.mask + size * k * u, u, dtype)
        for j in range(u):
            own[j] *= mask[j]


def make_passes(pack_forward: Any, products: Any, step: Any, pack_backward: Any, step_back: Any, finish: Any) -> Any:
    """Return the compiled forward and backward, (address, dtype), of a cell.

    Parameters
    ----------
    pack_forward : (p, dtype)
        Packs the weights.
    products : (p, rows, s, g, dtype)
        Writes the gates' products of a step's rows.
    step : (p, rows, s, g, c_before, c_after, h, stride, dtype)
        Turns these into gates, and the states after the step.
    pack_backward : (p, dtype)
    step_back : (p, rows, s, g, c_before, c_after, first, dtype)
        Turns gates into their gradients in place, and dh and dc after the step into those before it; at the first
        step only what is wanted of them.
    finish : (p, rows, s, g, dx, dtype)
        Adds the weights' gradients of some rows, and writes the inputs'.
    """
    cell = step.__module__.rpartition(".")[2]

    @compiled
    @named(cell)
    def forward(address: Any, dtype: Any) -> None:
        p = recurrent_at(address)
        frame, size, u, stride = frame_at(p.frame), size_of(dtype), p.units, p.stride
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
                copy(rows * u, firsts[n], cell, dtype)
            else:
                clear(rows * u, cell, dtype)
            copy((rows - first) * u, cell + size * first * u, lasts[n] + size * first * u, dtype)
        before = p.cells
        for t in range(steps):
            here, following, at = counts[t], counts[t + 1], offsets[t]
            s, g = p.sources + size * at * stride, p.gates + size * at * p.columns
            after = p.cells + size * (p.most + at) * u
            _fill(p, frame, here, t, s, dtype)
            if p.mask != 0:
                for k in range(here if p.whole_at != p.h_at else 0):
                    copy(u, s + size * (k * stride + p.h_at), s + size * (k * stride + p.whole_at), dtype)
                drop(p, here, stride, s + size * p.h_at, dtype)
            products(p, here, s, g, dtype)
            ahead = p.sources + size * (offsets[t + 1] * stride + p.h_at)
            if p.y != 0:
                h = p.spare if p.reverse != 0 else p.y + size * at * u
                step(p, here, s, g, before, after, h, u, dtype)
                for k in range(here):
                    own = h + size * k * u
                    target = ahead + size * k * stride if k < following else p.last + size * k * u
                    copy(u, own, target, dtype)
                    if p.reverse != 0:
                        copy(u, own, p.y + size * u * _place(frame, k, t, True), dtype)
            else:
                if following > 0:
                    step(p, following, s, g, before, after, ahead, stride, dtype)
                if here > following:
                    past, down = size * following, size * following * u
                    step(
                        p, here - following, s + past * stride, g + past * p.columns, before + down, after + down,
                        p.last + down, u, dtype,
                    )  # fmt: skip
            for n in range(p.count):
                down = size * following * u
                copy((here - following) * u, after + size * n * p.across + down, lasts[n] + down, dtype)
            before = after

    @compiled
    @named(cell)
    def backward(address: Any, dtype: Any) -> None:
        p = recurrent_at(address)
        frame, size, u, stride, f = frame_at(p.frame), size_of(dtype), p.units, p.stride, p.features
        rows, steps = frame.rows, frame.steps
        counts, offsets = integers_at(frame.counts, steps + 1), integers_at(frame.offsets, steps + 1)
        pack_backward(p, dtype)
        dlasts, dfirsts = integers_at(p.dlasts, p.count), integers_at(p.dfirsts, p.count)
        clear(rows * u, p.dh, dtype)
        clear(p.count * p.most * u, p.dc, dtype)
        if p.dlast != 0:
            copy(rows * u, p.dlast, p.dh, dtype)
        for n in range(p.count):
            if dlasts[n] != 0:
                copy(rows * u, dlasts[n], p.dc + size * n * p.most * u, dtype)
        end, top = offsets[steps] if steps > 0 else 0, steps
        for t in range(steps - 1, -1, -1):
            here, at = counts[t], offsets[t]
            s, g = p.sources + size * at * stride, p.gates + size * at * p.columns
            before, after = p.cells, p.cells + size * (p.most + at) * u
            if t > 0:
                before += size * (p.most + offsets[t - 1]) * u
            if p.dy != 0:
                for k in range(here):
                    total = array_at(p.dh + size * k * u, u, dtype)
                    given = array_at(p.dy + size * u * _place(frame, k, t, p.reverse != 0), u, dtype)
                    for j in range(u):
                        total[j] += given[j]
            step_back(p, here, s, g, before, after, t == 0, dtype)
            if p.mask != 0 and p.whole_at == p.h_at:
                drop(p, here, u, p.dh, dtype)
            if end - at >= CHUNK or t == 0:
                waiting, dx = end - at, 0
                if p.dx != 0:
                    dx = p.spare if p.reverse != 0 else p.dx + size * at * f
                finish(p, waiting, s, g, dx, dtype)
                if p.dx != 0 and p.reverse != 0:
                    for past in range(t, top):
                        for k in range(counts[past]):
                            own = p.spare + size * f * (offsets[past] - at + k)
                            copy(f, own, p.dx + size * f * _place(frame, k, past, True), dtype)
                end, top = at, t
        if p.dh_first != 0:
            copy(rows * u, p.dh, p.dh_first, dtype)
        for n in range(p.count):
            if dfirsts[n] != 0:
                copy(rows * u, p.dc + size * n * p.most * u, dfirsts[n], dtype)

    return forward, backward
