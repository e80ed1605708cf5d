"""A block of a plan: the tasks of some of the batch's rows."""

from __future__ import annotations

from typing import NamedTuple

from lamina.backends.arrays import Array
from lamina.backends.numba.engine.forms.every import form_of
from lamina.backends.numba.engine.forms.form import Form
from lamina.backends.numba.engine.forms.merge import MERGED, SCALED
from lamina.backends.numba.engine.frames import BLOCK, DERIVED, LOAD
from lamina.backends.numba.engine.room import Room, Task, address_of_array
from lamina.backends.program import Program, Value

__all__ = ["Block", "Shared"]


class Shared(NamedTuple):
    """What the blocks of a plan have in common.

    Attributes
    ----------
    program : Program
    batch : int
        The address of the batch's record.
    share, terms, factors : (losses,) float64 arrays
        By what each loss's terms are multiplied, how many there are, and by what its gradient is multiplied.
    totals : (losses, blocks) float64 array
        Of each block's losses.
    wrong : (1,) int64 array
        Whether a whole number is out of bounds.
    outputs : list of array
        Where the outputs are written.
    """

    program: Program
    batch: int
    share: Array
    terms: Array
    factors: Array
    totals: Array
    wrong: Array
    outputs: list[Array]


class Block:
    """The tasks of one block of the rows.

    Attributes
    ----------
    room : Room
    before : list of Task
        What prepares the batch and counts the loss's terms.
    tasks : list of Task
        Forward and backward.
    inputs, targets : list of record
        That load what is given.
    forms : list of Form
        In the order of the calls.
    """

    def __init__(
        self, shared: Shared, number: int, blocks: int, rows: int, private: dict[int, tuple[int, int]]
    ) -> None:
        program = shared.program
        self.room = room = Room(program, rows, private)
        dealt = room.record(BLOCK, batch=shared.batch, frame=room.frame(0), number=number, blocks=blocks)
        self.before = [Task("frames", "deal_block", dealt)]
        for index, frame in enumerate(program.frames[1:], 1):
            record = room.record(DERIVED, source=room.frame(frame.source), frame=room.frame(index), **frame.options)
            self.before.append(Task("frames", "derive_frame", record))
        self.inputs = [self._load(shared, value) for value in program.inputs]
        self.targets = [self._load(shared, value) for value in program.targets]
        self.tasks: list[Task] = []
        given = [*zip(program.targets, self.targets, strict=True), *zip(program.inputs, self.inputs, strict=True)]
        for value, record in given:
            first = value.integers or value in program.targets  # what is looked at, or counted, before all else
            (self.before if first else self.tasks).append(Task("frames", f"load_{_kind(value, room)}", record))
        self.forms = forms = list[Form]()
        for call in program.calls:
            form = form_of(call)(call, room)
            forms.append(form)
            self.tasks += form.forward()
        for index in range(len(program.losses)):
            self._add_loss(shared, index, number)
        for form in reversed(forms) if program.losses else ():
            if not any(map(self.room.written, form.call.outputs)):
                continue  # no loss depends on it
            for output in form.call.outputs:
                self.tasks += self._add_up(output)
            self.tasks += form.backward()
        self.outputs = []
        for value, array in zip(program.outputs, shared.outputs, strict=True):
            record = self._load(shared, value)
            record["given"] = address_of_array(array)
            self.outputs.append(Task("frames", f"unload_{room.dtype}", record))

    def _add_loss(self, shared: Shared, index: int, number: int) -> None:
        """Add a loss, which is computed together with the gradient of its prediction."""
        room, call = self.room, shared.program.losses[index]
        own = (shared.share[index:], shared.terms[index:], shared.totals[index, number:])
        loss = form_of(call)(call, room, *map(address_of_array, own))
        self.before += loss.counting()
        self.tasks += loss.backward()
        if len(shared.program.outputs) > 1:
            prediction = call.inputs[0]
            record = room.record(
                SCALED, **room.extent(prediction), features=prediction.features, target=loss.record["gradient"],
                factor=address_of_array(shared.factors[index:]),
            )  # fmt: skip
            self.tasks.append(Task("forms.merge", f"scale_{room.dtype}", record))

    def _load(self, shared: Shared, value: Value) -> Array:
        program, room = shared.program, self.room
        steps = 1 if value.frame is None else program.frames[value.frame].steps
        bound, ignored = program.bounds.get(value.index, (0, None))
        return room.record(
            LOAD,
            batch=shared.batch,
            packed=room.value(value),
            width=value.features,
            steps=steps,
            bound=bound,
            ignoring=ignored is not None,
            ignored=0 if ignored is None else ignored,
            wrong=address_of_array(shared.wrong),
            **room.extent(value),
        )

    def _add_up(self, value: Value) -> list[Task]:
        first, *others = self.room.written(value) or (0,)
        room = self.room
        return [
            Task(
                "forms.merge",
                f"merge_{room.dtype}",
                room.record(MERGED, **room.extent(value), features=value.features, source=one, target=first),
            )
            for one in others
        ]


def _kind(value: Value, room: Room) -> str:
    return "int64" if value.integers else room.dtype
