"""The steps of a stream as a backend has planned them."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends import Array
from lamina.backends.program import Frame, Given, Program
from lamina.backends.step import Step
from lamina.compose.states import State, map_state
from lamina.core.changes import changes
from lamina.core.layer import Layer
from lamina.core.lowering import Lowering, NotPlanned, Value

__all__ = ["PlanReader", "PlannedStream"]

# Stands for a state that the plan holds.
_PLANNED: State = ("in the plan",)

# For so many shapes plans are kept.
_KEPT = 4


class _Piece:
    """A plan for pieces of so many steps.

    Attributes
    ----------
    own : array
        Where a piece is copied to.
    step : Step
    single : bool
        Whether the piece is one step, without a time axis.
    """

    def __init__(self, own: Array, step: Step, single: bool) -> None:
        self.own = own
        self.step = step
        self.single = single


class PlannedStream:
    """A model of one input and one output that reads sequences piece by piece, for a number of rows.

    Parameters
    ----------
    model : Layer
        Built.
    rows : int

    Attributes
    ----------
    rows : int

    Raises
    ------
    NotPlanned
        If the backend cannot plan it.
    """

    def __init__(self, model: Layer, rows: int) -> None:
        self._model = model
        self.rows = rows
        self._changes = changes.count
        self._pieces: dict[tuple[int, ...], _Piece] = {}
        shapes: Any = model.input_shapes
        if len(shapes) != 1 or len(shapes[0]) != 3 or model.reads_integers():
            raise NotPlanned(f"{model.label} takes another input than (batch, time, features)")
        self._features = shapes[0][-1]
        program = self._program(1)
        if reason := model.backend.why_not_planned(program):
            raise NotPlanned(reason)
        self._states = [array for _, _, array in program.states if array is not None]

    def _program(self, steps: int) -> Program:
        program = Program(self._model.bound().dtype, self.rows, steps)
        program.frames.append(Frame(steps, None, {}))
        x = program.value(self._features, 0)
        program.inputs = [x]
        y = Lowering(program, training=False, streaming=True)(self._model, x)
        if not isinstance(y, Value):
            raise NotPlanned(f"{self._model.label} has several outputs")
        program.outputs = [y]
        return program

    @property
    def stands(self) -> bool:
        """Whether the weights still lie where the plans have them."""
        return changes.count == self._changes

    def read(self, x: Any) -> Array | None:
        """Return the output of the next step, or steps, and keep the state after; None where x is not as planned."""
        if type(x) is not np.ndarray or x.dtype.kind != "f":
            return None
        piece = self._pieces.get(x.shape)
        if piece is None:
            piece = self._plan(x)
            if piece is None:
                return None
        piece.own[...] = x
        piece.step.infer(self.rows)
        y = piece.step.output(0, True)
        return y[:, 0] if piece.single and y.ndim == 3 else y

    def _plan(self, x: Array) -> _Piece | None:
        single = x.ndim == 2
        if x.shape[0] != self.rows or x.ndim not in (2, 3) or x.shape[-1] != self._features or not x.size:
            return None
        program = self._program(1 if single else x.shape[1])
        for index, (before, after, _) in enumerate(program.states):
            program.states[index] = before, after, self._states[index]
        step = self._model.backend.plan(program)
        assert step is not None
        own = np.zeros(x.shape, program.dtype)
        step.give(Given((own[:, None] if single else own,), ()))
        if len(self._pieces) >= _KEPT:
            del self._pieces[next(iter(self._pieces))]
        found = self._pieces[x.shape] = _Piece(own, step, single)
        return found

    def load(self, state: Any) -> None:
        """Go on from a state of tuples in tuples; from zeros where it is None."""
        given: list[Array] = []
        map_state(given.append, state)
        for index, own in enumerate(self._states):
            own[...] = 0 if state is None else given[index]

    def state(self, like: Any) -> Any:
        """Return a copy of the state, in tuples as deep as those of a state like it."""
        mine = iter(self._states)
        return map_state(lambda _: next(mine).copy(), like)


class PlanReader:
    """What a `Stream` does with a plan of its steps, where the backend has one.

    Attributes
    ----------
    plan : PlannedStream or None
    """

    model: Layer
    plan: PlannedStream | None = None
    _rows_before: int | None = None  # of the sequences before the latest reset
    _state: State
    _batch: int | None
    _may_plan: bool

    def _opened(self, batch: int) -> tuple[Any, State]:
        raise NotImplementedError

    def read_planned(self, x: Any) -> Any:
        """Return the output for the next steps by a plan, or None where there is none of them."""
        plan = self.plan
        if plan is None:
            rows = self._batch or self._rows_before
            if rows is None:  # the first call goes the usual way, which checks it
                return None
            try:
                plan = self.plan = PlannedStream(self.model, rows)
            except NotPlanned:
                self._may_plan = False
                return None
        elif not plan.stands:
            self.settle()
            self.plan, self._may_plan = None, self.model.backend.plans_steps
            return None
        if self._state is not _PLANNED:
            plan.load(self._state)
        y = plan.read(x)
        if y is not None:
            self._state, self._batch = _PLANNED, plan.rows
        elif self._batch is None:
            self.plan = self._rows_before = None  # another number of rows, perhaps
        return y

    def settle(self) -> None:
        """Take the state back from the plan."""
        if self._state is _PLANNED:
            assert self.plan is not None and self._batch is not None
            self._state = self.plan.state(self._opened(self._batch)[1])

    def __getstate__(self) -> dict[str, Any]:
        self.settle()
        return {**self.__dict__, "plan": None}
