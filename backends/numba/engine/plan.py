"""A program as a plan: memory taken once, and a table of compiled functions that a run goes through."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from lamina.backends.arrays import Array
from lamina.backends.numba.engine import functions
from lamina.backends.numba.engine.block import Block, Shared
from lamina.backends.numba.engine.forms.every import find_form
from lamina.backends.numba.engine.forms.merge import CLEARED, MERGED, SHARED
from lamina.backends.numba.engine.frames import BATCH
from lamina.backends.numba.engine.room import Room, Task, address_of_array
from lamina.backends.numpy.threads import at_once
from lamina.backends.program import Given, Program, Value
from lamina.backends.step import Step

__all__ = ["Plan"]


class Plan(Step):
    """A planned step.

    Parameters
    ----------
    program : Program
        That no form refuses.
    threads : int
        Into how many blocks the rows are dealt, each of which a thread of its own computes; one where the program has
        to be run alone.

    Attributes
    ----------
    program : Program
    loss, terms : (losses,) float64 arrays
    """

    def __init__(self, program: Program, threads: int = 1) -> None:
        functions.products_ready(program.dtype)
        threads = 1 if program.alone else threads
        self.program = program
        self._room = room = Room(program, program.rows, {})
        self._batch = room.record(
            BATCH,
            steps=program.steps,
            order=room.integers(program.rows),
            sorted=room.integers(program.rows),
            buckets=room.integers(program.steps + 3),
        )
        self._ids = room.take(max(program.rows, 1), np.int64)
        self.batch_at = address_of_array(self._batch)
        losses = max(len(program.losses), 1)
        self.loss, self.terms, self.share, self.factors = (room.take(losses, np.float64) for _ in range(4))
        self.factors[:] = 1
        self.wrong = room.take(1, np.int64)
        self.totals = room.take(losses * threads, np.float64).reshape(losses, threads)
        self.given_back = [room.take(self._size(value, program.rows)) for value in program.outputs]
        common = Shared(
            program, self.batch_at, self.share, self.terms, self.factors, self.totals, self.wrong, self.given_back
        )
        self._blocks: list[Block] = []
        sums: list[Task] = []
        own_clears: list[list[Task]] = []
        for number in range(threads):
            private: dict[int, tuple[int, int]] = {}
            clears: list[Task] = []
            for gradient in program.gradients if number else ():
                copy = room.take(gradient.size)
                private[address_of_array(gradient)] = gradient.nbytes, address_of_array(copy)
                clears.append(self._clear(copy))
                record = room.record(
                    MERGED, count=copy.size, source=address_of_array(copy), target=address_of_array(gradient)
                )
                sums.append(Task("forms.merge", f"merge_{program.dtype}", record))
            own_clears.append(clears)
            self._blocks.append(Block(common, number, threads, -(-program.rows // threads), private))
        shared = [self._shared(index) for index in range(losses)]
        self._updates = [find_form(one.kernel)(one, room) for one in program.updates]
        parts: dict[str, list[Task]] = {
            "before": [
                Task("frames", "sort_batch", self._batch),
                *[Task("forms.merge", "begin", one) for one in shared],
                *[task for block in self._blocks for task in block.before],
                *[Task("forms.merge", "share", one) for one in shared],
            ],
            "clear": [self._clear(one) for one in program.gradients],
            **{
                f"block {number}": [*clears, *block.tasks]
                for number, (clears, block) in enumerate(zip(own_clears, self._blocks, strict=True))
            },
            "sums": [*sums, *[Task("forms.merge", "finish", one) for one in shared]],
            "updates": [task for one in self._updates for task in one.tasks()],
            "outputs": [task for block in self._blocks for task in block.outputs],
        }
        self._by_rows, self._drawing = (self._forms(name) for name in ("table", "draw"))
        self._table, self._parts = self._lay_out(parts)
        self._at, self._end = address_of_array(self._table), self._parts["outputs"][1]
        self._shaped: dict[tuple[int, int], Array] = {}
        self._run, self._run_unless = functions.run(), functions.run_unless()
        self._ids_at, self._wrong_at = address_of_array(self._ids), address_of_array(self.wrong)
        self._words = self._batch.view(np.int64)  # rows and ids first: quicker to set than the record's fields
        self._given: Any = None
        self._alone = threads == 1
        middle, last = self._parts["clear"][0], self._parts["updates"][1]
        self._asked = np.array([[self._at, 0, middle, last, self._wrong_at] for _ in range(2)], np.int64)
        #: Of all tasks, and of some.
        self._all, self._some = (address_of_array(one) for one in self._asked)
        self.first = -1

    def _take_first(self, count: int) -> None:
        """Let the next runs take the first rows of what is given, so many of them."""
        self._words[0], self._words[1], self.first = count, 0, count

    def _shared(self, index: int) -> Array:
        """Return the record of what blocks have in common of a loss."""
        losses = self.program.losses
        own = {"terms": self.terms, "share": self.share, "loss": self.loss, "totals": self.totals}
        mean = bool(losses) and losses[index].options.get("reduction", "mean") == "mean"
        places = {name: address_of_array(array[index:]) for name, array in own.items()}
        return self._room.record(SHARED, **places, blocks=len(self.totals[0]), mean=mean)

    def _forms(self, option: str) -> dict[int, list[Any]]:
        """Return the forms, of all blocks, of the calls that have an option, by its value."""
        found: dict[int, list[Any]] = {}
        for block in self._blocks:
            for form in block.forms:
                if option in form.call.options:
                    found.setdefault(form.call.options[option], []).append(form)
        return found

    def _clear(self, array: Array) -> Task:
        record = self._room.record(CLEARED, count=array.size, target=address_of_array(array))
        return Task("forms.merge", f"clear_{self.program.dtype}", record)

    def _lay_out(self, parts: dict[str, list[Task]]) -> tuple[Array, dict[str, tuple[int, int]]]:
        """Return the table of all tasks, and where each part of it begins and ends."""
        tasks = [task for part in parts.values() for task in part]
        ends = np.cumsum([len(part) for part in parts.values()]).tolist()
        places = {name: (end - len(part), end) for (name, part), end in zip(parts.items(), ends, strict=True)}
        return self._room.table(tasks), places

    def give(self, given: Given) -> None:
        """Take the arrays that are read from now on."""
        self._given = given
        lengths = given.lengths
        self._batch["lengths"] = 0 if lengths is None else address_of_array(lengths)
        timed = [one.shape[1] for value, one in zip(self.program.inputs, given.inputs, strict=True) if value.frame == 0]
        steps = max(timed, default=self.program.steps)  # more than the program's, of which it takes some at a time
        if steps > int(self._batch["steps"][0]):
            self._batch["buckets"] = self._room.integers(steps + 3)
        self._batch["steps"] = steps
        for block in self._blocks:
            for records, arrays in ((block.inputs, given.inputs), (block.targets, given.targets)):
                for record, array in zip(records, arrays, strict=True):
                    record["given"] = address_of_array(array)
                    if record["sequence"]:
                        record["steps"] = array.shape[1]

    def run(
        self, rows: Array | None, count: int, *, clear: bool = True, update: bool = True, check: bool = False
    ) -> bool:
        """Compute loss and gradients of some rows, and update the weights; False where whole numbers are none."""
        if rows is not None:
            self._ids[:count] = rows
            self._words[0], self._words[1], self.first = count, self._ids_at, -1
        elif count != self.first:
            self._take_first(count)
        run, at, parts = self._run, self._at, self._parts
        last = parts["updates" if update else "sums"][1]
        first = parts["clear" if clear else "block 0"][0]
        if self._alone and clear:  # as most often
            if check:
                self._asked[1, 2:4] = first, last
                return self._run_unless(self._some)  # type: ignore[no-any-return]
            run(at, 0, last)
            return True
        self.wrong[0] = 0
        run(at, *parts["before"])
        if check and self.wrong[0]:
            return False
        if self._alone:
            run(at, first, last)
            return True
        run(at, first, parts["block 0"][0])
        at_once(lambda number: run(at, *parts[f"block {number}"]), range(len(self._blocks)))
        run(at, parts["sums"][0], last)
        return True

    def replay(self) -> Callable[[], bool]:
        """Return what does ``again(first)``, as long as `first` stays, in less Python still."""
        return partial(self._run_unless, self._all) if self._alone else super().replay()

    def again(self, count: int) -> bool:
        """Do what ``run(None, count, check=True)`` does."""
        if not self._alone:
            return self.run(None, count, check=True)
        if count != self.first:
            self._take_first(count)
        return self._run_unless(self._all)  # type: ignore[no-any-return]

    def begin(self) -> None:
        """Begin with new sequences."""
        for block in self._blocks:
            for state in block.room.states:
                state[...] = 0

    def states(self, rows: Array) -> list[Array]:
        """Return copies of the step's own states, of some rows in the order given."""
        self._ids[: len(rows)] = rows
        self._words[0], self._words[1], self.first = len(rows), self._ids_at, -1
        self._run(self._at, *self._parts["before"])  # which says where each row stands
        own = [after.features for _, after, place in self.program.states if place is None]
        found = [np.zeros((len(rows), features), self.program.dtype) for features in own]
        for block in self._blocks:
            order = block.room.order()
            for target, state in zip(found, block.room.states, strict=True):
                target[order] = state.reshape(-1, target.shape[1])[: len(order)]
        return found

    def carried(self) -> tuple[Array, ...]:
        """Return copies of the states with which the sequences that were begun go on."""
        return tuple(state.copy() for block in self._blocks for state in block.room.states)

    def carry(self, states: Sequence[Array]) -> None:
        """Go on with sequences that had these states, as `carried` of a plan with as many threads gave them."""
        own = [state for block in self._blocks for state in block.room.states]
        for place, state in zip(own, states, strict=True):
            place[...] = state

    def take_steps(self, start: int, count: int) -> None:
        """Let the next runs take some of the steps."""
        self._batch["start"], self._batch["window"] = start, count

    def weigh(self, factors: Sequence[float]) -> None:
        """Let the gradients of the losses be multiplied by these."""
        self.factors[: len(factors)] = factors

    def update(self) -> None:
        """Update the weights."""
        self._run(self._at, *self._parts["updates"])

    def set(self, update: int, values: Mapping[str, Any]) -> None:
        """Set what an update takes by keyword."""
        form = self._updates[update]
        for name, value in values.items():
            form.settings[form.places[name]] = value

    def table(self, index: int) -> Sequence[tuple[Array, Array]]:
        """Return a table's gradients by rows: a pair for each block."""
        return [form.rows() for form in self._by_rows[index]]

    def draw(self, index: int, rows: Array, call: Array) -> None:
        """Set what random numbers follow from."""
        for form in self._drawing[index]:
            form.draw(rows, call)

    def infer(self, count: int) -> None:
        """Compute the outputs of the first rows."""
        if count != self.first:
            self._take_first(count)
        self._run(self._at, 0, self._end)

    def __reduce__(self) -> Any:
        raise TypeError("a plan cannot be copied: it knows where its memory lies")

    def output(self, index: int, computed: bool = False) -> Array:
        """Return a copy of an output."""
        if not computed:
            self._run(self._at, *self._parts["outputs"])
        key = index, int(self._words[0])
        shaped = self._shaped.get(key)
        if shaped is None:
            shaped = self._shaped[key] = self._shape(*key)
        return shaped.copy()

    def _shape(self, index: int, rows: int) -> Array:
        """Return where an output of so many rows is given back."""
        value = self.program.outputs[index]
        steps = () if value.frame is None else (self.program.frames[value.frame].steps,)
        return self.given_back[index][: self._size(value, rows)].reshape(rows, *steps, value.features)

    def _size(self, value: Value, rows: int) -> int:
        return rows * value.features * (1 if value.frame is None else self.program.frames[value.frame].steps)
