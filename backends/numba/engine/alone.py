"""A recurrent kernel by itself: the form that plans run, its forward and its backward pass each when it is called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
_WEIGHTS = "w_x", "w_h", "b", "b_h", "w_p"


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
    features, units, wide : int
        Of x, of h, and how wide weights are.
    empty : callable
        Takes the memory of what is given back, by shape and dtype.
    projected : int
        The size of the other states, and of what is projected to h, where it is; 0 where it is not.
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
        units: int,
        wide: int,
        empty: Callable[[Sequence[int], Any], Array] = np.empty,
        projected: int = 0,
        **options: Any,
    ) -> None:
        functions.products_ready(dtype)
        self.rows, self.steps, self._wide, self._dtype, self._empty = rows, steps, wide, np.dtype(dtype), empty
        # Where weights lie, and where their gradients are added, is said at each call.
        some = Weights(*[np.broadcast_to(np.zeros((), dtype), (1, wide))] * 2)
        own = {"w_x": some, "w_h": some} | ({"w_p": some} if projected else {})
        form = form_of(Call(kernel, (), (), own, options))
        program = Program(dtype, rows, steps, [Frame(steps, None, {})])
        x, y = program.value(features, 0), program.value(units, 0)
        sizes = [units, *[projected or units] * form.cells]
        before, after = ([program.value(size) for size in sizes] for _ in range(2))
        masks = [program.value(units)] if options.get("state_mask") else []
        program.calls.append(Call(kernel, (x, *before, *masks), (y, *after), own, options))
        self._values = (x, *before), (y, *after)
        self._projected = projected
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
        self._zeros = {name: int(record[name][0]) for name in ("b", "b_h", "w_p")}
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
        self._known: list[Any] = [_nothing] * len(_WEIGHTS)
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

    def _set(self, name: str, address: int) -> None:
        self._words[self._places[name]] = address

    def _let(self, index: int, weights: Array | None) -> None:
        """Let these be the weights of that number."""
        if weights is None:
            self._set(_WEIGHTS[index], self._zeros[_WEIGHTS[index]])
            self._known[index] = _nothing
        elif self._known[index]() is not weights:
            self._set(_WEIGHTS[index], address_of_array(weights))
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
            w_x, w_h, b and, where there are any, b_h and w_p. Those of the call before are known.
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
        few = rows <= FEW and mask is None
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
    ) -> tuple[Array | None, list[Any], list[Array]]:
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
        dweights : list of array or None
            Of w_x, w_h, b, and of w_p where there is a projection, of b_h where there is none.
        dstates : list of (rows, units)
        """
        at, _ = self._table("backward")
        run, rows, steps, dtype = self._run, int(self._batch[_ROWS]), int(self._batch[_TIME]), self._dtype
        for index, array in enumerate(weights):
            self._let(index, array)
        if self._spent:  # gates lie where their gradients were written, or nowhere
            run(at, 0, 1)
        self._spent = True
        each = zip(upstream, self._upstream, self._back_in, strict=True)
        for number, (array, port, (words, place)) in enumerate(each, 1):
            words[place] = 0 if array is None else port.place
            if array is not None:
                port.at(array)
                run(at, number, number + 1)
        features, units = self._values[0][0].features, self._values[1][0].features
        name, shape = ("dw_p", (self._projected, units)) if self._projected else ("db_h", (units,))
        targets: list[Any] = [] if gradients is None else [*gradients(), None][:4]
        written, fit = targets, bool(targets)
        for target in targets:
            fit = fit and (target is None or (target.flags.c_contiguous and target.dtype == dtype))
        if not fit:
            dw = np.zeros((features + units + 1, self._wide), dtype)
            written = [dw[:features], dw[features:-1], dw[-1], np.zeros(shape, dtype)]
        for one, array in zip(("dw_x", "dw_h", "db", name), written, strict=True):
            self._set(one, 0 if array is None else address_of_array(array))
        own, x = 1 + len(self._upstream), self._downstream[0]
        self._set("dx", x.place if input_gradient else 0)
        run(at, own, own + 1)
        dx = None
        if input_gradient:
            dx = self._empty((rows, steps, features), dtype)
            x.at(dx)
            run(at, own + 1, own + 2)
        first = []
        for number, port in enumerate(self._downstream[1:], own + 2):
            first.append(self._empty((rows, self._values[0][number - own - 1].features), dtype))
            port.at(first[-1])
            run(at, number, number + 1)
        return dx, written if fit else added(lambda: targets, written), first
