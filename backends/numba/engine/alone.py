"""A recurrent kernel by itself: the form that plans run, its forward and its backward pass each when it is called."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from weakref import ref

import numpy as np

from lamina.backends.arrays import Array, Gradients
from lamina.backends.kernels import added
from lamina.backends.numba.engine import functions
from lamina.backends.numba.engine.forms.every import form_of
from lamina.backends.numba.engine.forms.recurrent import FEW
from lamina.backends.numba.engine.frames import BATCH, BLOCK, LOAD
from lamina.backends.numba.engine.room import Room, Task, address_of_array
from lamina.backends.program import Call, Frame, Program, Value, Weights

__all__ = ["Alone"]

# Of records, seen as words: of LOAD, and of BATCH.
_GIVEN, _STEPS = 2, 5
_ROWS, _LENGTHS, _TIME = 0, 2, 3


def _nothing() -> None:
    """Stand for a reference to no weights."""


class _Port:
    """Where an array comes in, to be packed, or goes out.

    Parameters
    ----------
    room : Room
    batch : int
        The address of the batch's record.
    value : Value
    place : int
        Where it lies packed.
    """

    def __init__(self, room: Room, batch: int, value: Value, place: int) -> None:
        record = room.record(LOAD, batch=batch, packed=place, width=value.features, steps=1, **room.extent(value))
        self.load = Task("frames", f"load_{room.dtype}", record)
        self.unload = Task("frames", f"unload_{room.dtype}", record)
        self.place = place
        self._words = record.view(np.int64)

    def at(self, array: Array) -> None:
        """Take, or fill, this array: (rows, features) or (rows, steps, features)."""
        self._words[_GIVEN] = address_of_array(array)
        if array.ndim == 3:
            self._words[_STEPS] = array.shape[1]


class Alone:
    """The memory of a recurrent kernel over batches of at most so many rows and steps, and its two passes.

    A backward pass is that of the latest forward pass. All arrays are C-contiguous, and of the dtype.

    Parameters
    ----------
    kernel : str
    dtype : str
    rows, steps : int
        At most.
    features : int
        Of x.
    sizes : sequence of int
        Of the states; the first is that of the output.
    shapes : dict of str to tuple of int
        Those of the weights by name, in the order in which their gradients lie, also of such as may not be there.
    empty : callable
        Takes the memory of what is given back, by shape and dtype.
    options : dict
        Of the kernel.

    Attributes
    ----------
    rows, steps : int
    nbytes : int
        Of its memory.
    """

    def __init__(
        self,
        kernel: str,
        dtype: str,
        rows: int,
        steps: int,
        features: int,
        sizes: Sequence[int],
        shapes: Mapping[str, tuple[int, ...]],
        empty: Callable[[Sequence[int], Any], Array] = np.empty,
        **options: Any,
    ) -> None:
        functions.products_ready(dtype)
        self.rows, self.steps, self._dtype, self._empty = rows, steps, np.dtype(dtype), empty
        # Where weights lie, and where their gradients are added, is said at each call; a bias may not be there.
        nothing = np.zeros((), dtype)
        there = {name: shape for name, shape in shapes.items() if not name.startswith("b")}
        own = {name: Weights(*[np.broadcast_to(nothing, shape)] * 2) for name, shape in there.items()}
        form = form_of(Call(kernel, (), (), own, options))
        program = Program(dtype, rows, steps, [Frame(steps, None, {})])
        x, y = program.value(features, 0), program.value(sizes[0], 0)
        before, after = ([program.value(size) for size in sizes] for _ in range(2))
        masks = [program.value(sizes[0])] if options.get("state_mask") else []
        program.calls.append(Call(kernel, (x, *before, *masks), (y, *after), own, options))
        self._values = (x, *before), (y, *after)
        ends = np.cumsum([0, *map(math.prod, shapes.values())]).tolist()
        self._stretches = list(zip(ends[:-1], ends[1:], shapes.values(), strict=True))
        self._room = room = Room(program, rows, {}, wanted=(x, *before))
        self._form = form(program.calls[0], room)
        record = self._form.record
        self._words, self._places = record.view(np.int64), {name: n for n, name in enumerate(record.dtype.names)}
        tables = self._form.tables
        # Where the addresses of states stand, of h and of the others, and of what comes back.
        self._states = [(self._words, self._places["h"]), *[(tables["firsts"], n) for n in range(form.cells)]]
        self._back_in = [(self._words, self._places[name]) for name in ("dy", "dlast")]
        self._back_in += [(tables["dlasts"], n) for n in range(form.cells)]
        self._back_out = [(self._words, self._places[name]) for name in ("dx", "dh_first")]
        self._back_out += [(tables["dfirsts"], n) for n in range(form.cells)]
        #: The places in the record of each weight's address, and of its gradient's; and what the first is without it.
        self._weights = [(self._places[name], self._places[f"d{name}"], int(record[name][0])) for name in shapes]
        batch = room.record(
            BATCH, order=room.integers(rows), sorted=room.integers(rows), buckets=room.integers(steps + 3)
        )
        self._batch, self._batch_at = batch.view(np.int64), address_of_array(batch)
        block = room.record(BLOCK, batch=self._batch_at, frame=room.frame(0), blocks=1)
        self._begin = [Task("frames", "sort_batch", batch), Task("frames", "deal_block", block)]
        self._given, self._made = ([self._port(one, room.value(one)) for one in values] for values in self._values)
        self._given += [self._port(one, room.value(one)) for one in masks]
        self._run = functions.run()
        self._tables: dict[str, tuple[int, int]] = {}
        self._upstream: list[_Port] = []
        self._downstream: list[_Port] = []
        # Not held: memory that waits for its next pass is to keep nobody's weights.
        self._known: list[Any] = [_nothing] * len(shapes)
        self._spent = False
        self._weigh()

    def _weigh(self) -> None:
        self.nbytes = sum(array.nbytes for array in self._room.keep)

    def _port(self, value: Value, place: int) -> _Port:
        return _Port(self._room, self._batch_at, value, place)

    def _table(self, name: str) -> tuple[int, int]:
        """Return where the table of a pass is, and how many tasks it has; compiled when it is first asked for."""
        if name not in self._tables:
            if name == "backward":
                tasks = self._back()
            else:
                own = self._form.task(name, self._form.record)
                tasks = [*self._begin, *[one.load for one in self._given], own, *[one.unload for one in self._made]]
            self._tables[name] = address_of_array(self._room.table(tasks)), len(tasks)
            self._weigh()
        return self._tables[name]

    def _back(self) -> list[Task]:
        """Return the tasks of the way back."""
        room, (inputs, outputs) = self._room, self._values
        self._upstream = [self._port(one, room.downstream(one)) for one in outputs]
        (backward,) = self._form.backward()
        self._downstream = [
            self._port(one, int(words[place])) for one, (words, place) in zip(inputs, self._back_out, strict=True)
        ]
        again = self._form.task("forward", self._form.record)
        return [again, *[one.load for one in self._upstream], backward, *[one.unload for one in self._downstream]]

    def _let(self, index: int, weights: Array | None) -> None:
        """Let these be the weights of that number."""
        place, _, zeros = self._weights[index]
        if weights is None:
            self._words[place] = zeros
            self._known[index] = _nothing
        elif self._known[index]() is not weights:
            self._words[place] = address_of_array(weights)
            self._known[index] = ref(weights)

    def forward(
        self,
        x: Array,
        weights: Sequence[Array | None],
        states: Sequence[Array | None],
        lengths: Array | None,
        mask: Array | None = None,
    ) -> list[Array]:
        """Return the outputs (rows, steps, units), and the last states (rows, units).

        Parameters
        ----------
        x : (rows, steps, features)
        weights : sequence of array or None
            In the order of the shapes; the last ones may be left out. Those of the call before are known.
        states : sequence of (rows, units) or None
            None for zeros.
        lengths : (rows,) int64, or None
        mask : (rows, units), or None
            With the option ``state_mask``.
        """
        rows, steps, _ = x.shape
        batch, dtype, made = self._batch, self._dtype, []
        batch[_ROWS], batch[_TIME] = rows, steps
        batch[_LENGTHS] = 0 if lengths is None else address_of_array(lengths)
        for index, array in enumerate(weights):
            self._let(index, array)
        # Few rows are computed without packing weights, and nothing is kept: the way back computes them once more.
        few = self._form.recomputes and rows <= FEW and mask is None
        at, end = self._table("infer" if few else "forward")
        run, own = self._run, 2 + len(self._given)
        self._given[0].at(x)
        run(at, 0, 3)
        for number, (state, (words, place)) in enumerate(zip(states, self._states, strict=True), 1):
            port = self._given[number]
            words[place] = 0 if state is None else port.place
            if state is not None:
                port.at(state)
                run(at, 2 + number, 3 + number)
        if mask is not None:
            self._given[-1].at(mask)
            run(at, own - 1, own)
        for port, value in zip(self._made, self._values[1], strict=True):
            shape = (rows, value.features) if value.frame is None else (rows, steps, value.features)
            made.append(self._empty(shape, dtype))
            port.at(made[-1])
        run(at, own, end)
        self._spent = few
        return made

    def backward(
        self,
        upstream: Sequence[Array | None],
        weights: Sequence[Array | None],
        *,
        input_gradient: bool,
        gradients: Gradients | None = None,
    ) -> tuple[Array | None, Sequence[Any], list[Array]]:
        """Return the gradients of x, of the weights, and of the first states.

        Parameters
        ----------
        upstream : sequence of array or None
            The gradients of what `forward` returned.
        weights : sequence of array or None
            As for `forward`.
        input_gradient : bool
        gradients : callable, optional
            See `KernelTable.add_gradients`. The pass adds to what it returns.

        Returns
        -------
        dx : array, or None without ``input_gradient``
        dweights : sequence of array or None
            In the order of the shapes; side by side in memory where nothing says where they are added.
        dstates : list of (rows, units)
        """
        at, _ = self._table("backward")
        run, rows, steps, dtype = self._run, int(self._batch[_ROWS]), int(self._batch[_TIME]), self._dtype
        for index, array in enumerate(weights):
            self._let(index, array)
        if self._spent:  # gates lie where their gradients were written, or nowhere
            run(at, 0, 1)
        self._spent = self._form.recomputes
        each = zip(upstream, self._upstream, self._back_in, strict=True)
        for number, (array, port, (words, place)) in enumerate(each, 1):
            words[place] = 0 if array is None else port.place
            if array is not None:
                port.at(array)
                run(at, number, number + 1)
        many, asked = len(self._weights), list[Any]()
        if gradients is not None:
            asked = [*gradients(), *[None] * many][:many]
        fit = bool(asked) and all(one is None or (one.flags.c_contiguous and one.dtype == dtype) for one in asked)
        written = asked if fit else self._fresh()
        for (_, target, _), array in zip(self._weights, written, strict=True):
            self._words[target] = 0 if array is None else address_of_array(array)
        own, x = 1 + len(self._upstream), self._downstream[0]
        self._words[self._places["dx"]] = x.place if input_gradient else 0
        run(at, own, own + 1)
        dx = None
        if input_gradient:
            dx = self._empty((rows, steps, self._values[0][0].features), dtype)
            x.at(dx)
            run(at, own + 1, own + 2)
        dstates = []
        for number, port in enumerate(self._downstream[1:], own + 2):
            dstates.append(self._empty((rows, self._values[0][number - own - 1].features), dtype))
            port.at(dstates[-1])
            run(at, number, number + 1)
        return dx, added(lambda: asked, written) if asked and not fit else written, dstates

    def _fresh(self) -> list[Any]:
        """Return zeros for the gradients of all weights."""
        whole = np.zeros(self._stretches[-1][1], self._dtype)
        return [whole[first:end].reshape(shape) for first, end, shape in self._stretches]
