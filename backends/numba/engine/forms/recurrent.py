"""Recurrent layers as forms: what SimpleRNN, LSTM, GRU and sLSTM share.

One idea carries all three. A step's sources lie side by side in one row,

    s_t = [ x_t | h_(t-1) | 1 ]             (features, units, 1)

so that one matrix, w_x above w_h above the bias, gives all gates by one product, and its gradient is one product too:
parameters lie side by side in the same order. A cell may take another order.
Rows of all steps lie packed, as frames have them: a step's are the rows that still run.
"""

from __future__ import annotations

from lamina.backends.arrays import Array
from lamina.backends.numba.engine import functions
from lamina.backends.numba.engine.algebra import CHUNK
from lamina.backends.numba.engine.forms.form import fields
from lamina.backends.numba.engine.forms.states import StatesForm
from lamina.backends.numba.engine.memory import record_at
from lamina.backends.numba.engine.products import packed_size
from lamina.backends.numba.engine.room import Room, Task, address_of_array
from lamina.backends.program import Call

__all__ = ["FEW", "RecurrentForm", "recurrent_at"]

#: Rows of a batch, at most, that inference computes one by one.
FEW = 2

#: Sizes in elements, addresses in bytes. ``units`` is the size of h, and ``inner`` that of the states beside it;
#: ``columns`` are those of a row of gates, ``wide`` those of the weights. ``whole_at`` is where h stands that no mask
#: has met: ``h_at``, but for a cell that carries it on beside its products. ``firsts``, ``lasts``, ``dlasts`` and
#: ``dfirsts`` are tables of the addresses of states beside h: c and so on. The passes see to the first ``count`` of
#: them: ``cells`` holds these after each step, ``across`` numbers from one to the next. ``running`` and ``origins`` are
#: what a cell itself has of each row, numbers and whole numbers. The last five are a projection's.
RECURRENT = fields(
    "frame features units inner columns wide depth stride most reverse relu exponents x_at h_at one_at whole_at "
    "x y h last w_x w_h b b_h dw_x dw_h db db_h dx dy dlast dh_first count across firsts lasts dlasts dfirsts "
    "packed back back_x sources gates cells dh dc chunk spare row mask running origins w_p dw_p packed_p back_p dout"
)
recurrent_at = record_at(RECURRENT)


class RecurrentForm(StatesForm):
    """A recurrent layer over all steps of a block's rows.

    Attributes
    ----------
    gates : int
        How many columns of units the products of a step have.
    alone : int
        Of how many of the states beside h, the last ones, the cell itself sees to what is given and what is given back.
    running : int
        How many numbers it has of each unit of each row as it goes from step to step.
    carries : bool
        Whether h goes on beside its products: a mask meets these alone.
    """

    names = ("w_x", "w_h", "b", "b_h")
    gates = 1
    alone = 0
    running = 0
    carries = False
    recomputes = True

    def places(self, features: int, units: int) -> tuple[int, int, int]:
        """Return where x, h and 1 stand in a row of sources."""
        return 0, features, features + units

    def beside(self, units: int) -> int:
        """Return how many columns more a row of sources has, of the cell's own."""
        return 0

    def columns(self, units: int, inner: int) -> int:
        """Return how many columns a row of gates has."""
        return self.gates * inner

    def __init__(self, call: Call, room: Room) -> None:
        super().__init__(call, room)
        x, mask = call.inputs[0], self._mask
        units, features = self._last.features, x.features
        inner = self._lasts[0].features if self._lasts else units
        columns, depth = self.columns(units, inner), units + 1 + features
        whole = mask is not None and self.carries
        across = depth + self.beside(units)
        lines = -(-(across + units * whole) * room.size // 64)
        stride = 64 // room.size * (lines + (lines % 2 == 0))  # an odd number of cache lines
        most, weights, zeros = room.most(x), call.weights, room.floats(columns)
        sources = room.take((most + 1) * stride)
        w_h = weights["w_h"]
        assert w_h is not None
        x_at, h_at, one_at = self.places(features, units)
        sources[one_at::stride] = 1
        self.record = room.record(
            RECURRENT, **self.addresses(),
            x_at=x_at, h_at=h_at, one_at=one_at, whole_at=across if whole else h_at,
            inner=inner, columns=columns, depth=depth, stride=stride, wide=w_h.data.shape[1], most=room.rows,
            exponents=call.options.get("forget") == "exp", count=self.cells - self.alone,
            across=(room.rows + most) * inner,
            w_x=room.weights(weights["w_x"]), w_h=room.weights(weights["w_h"]),
            b=room.weights(weights.get("b")) or zeros, b_h=room.weights(weights.get("b_h")) or zeros,
            packed=room.floats(self.gates * packed_size(depth, inner, room.dtype) + depth * 64),
            sources=address_of_array(sources), gates=room.floats(most * columns),
            cells=room.floats((self.cells - self.alone) * (room.rows + most) * inner),
            running=room.floats(self.running * (room.rows + 1) * units),
            origins=room.integers(room.rows * units * (self.running > 0)),
            spare=room.floats(room.rows * units), mask=room.value(mask) if mask else 0,
        )  # fmt: skip

    def task(self, name: str, record: Array) -> Task:
        """Return a task; that of few rows needs products of its own."""
        if name == "infer":
            functions.row_products_ready(self.room.dtype)
        return super().task(name, record)

    def forward(self) -> list[Task]:
        """Return the one task."""
        few = self.room.program.loss is None and self.room.rows <= FEW
        return [self.task("infer" if few else "forward", self.record)]

    def backward(self) -> list[Task]:
        """Return the one task."""
        if not self.take_gradients():
            return []
        room, record = self.room, self.record
        units, features, columns = (int(record[name][0]) for name in ("units", "features", "columns"))
        most = CHUNK + room.rows
        record["row"] = room.floats(columns)
        record["back"] = room.floats(packed_size(columns, units, room.dtype))
        record["dh"] = room.floats(room.rows * units)
        record["dc"] = room.floats(self.cells * room.rows * int(record["inner"][0]))
        record["chunk"] = room.floats(packed_size(most, columns, room.dtype))
        if record["dx"]:
            record["back_x"] = room.floats(packed_size(columns, features, room.dtype))
            if record["reverse"]:
                record["spare"] = room.floats(max(most * features, room.rows * units))
        return [self.task("backward", record)]
