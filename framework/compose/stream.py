"""Reading sequences as they come: one step, or some steps, at a time, from a state that the reader keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.backends import Array
from lamina.compose.planned import PlanReader
from lamina.compose.states import State, as_steps, first_of, is_count, map_state, read_state, rows_of, state_on_host
from lamina.compose.whole import read_whole
from lamina.core.arguments import instance
from lamina.core.calls import running
from lamina.core.layer import Layer
from lamina.core.lengths import is_timed, lengths_after
from lamina.core.proven import proofs
from lamina.core.shapes import as_tuple, is_one_for_each, show
from lamina.errors import ArgumentError, ShapeError, StreamError

__all__ = ["Stream"]


class Stream(PlanReader):
    """Runs a built model on sequences as they come, and keeps its state between calls.

    The outputs are those of the whole sequence at once. The model keeps nothing: many streams may run through
    one model, each with a batch of its own.

    Parameters
    ----------
    model : Layer
        Built, for one or more inputs (batch, time, features), or integers (batch, time).
    whole : int, str, or a sequence of them
        Inputs that do not come step by step, by their places or their names in ``compose``: `begin` takes them whole,
        with lengths of their own. What the model makes of these alone, such as an encoder's outputs and states, is
        computed once. A recurrent layer then starts from states that another layer gives, and attention goes to all
        valid steps of keys and values.

    Raises
    ------
    NotBuiltError
        If the model is not built.
    StreamError
        If one of its layers needs more than the steps so far: go_backwards, attention that is not causal, ...
    ArgumentError
        If there is no such input, or all of them are whole.

    Examples
    --------
    >>> import lamina
    >>> model = lamina.Sequential(lamina.layers.GRU(8, return_sequences=True), lamina.layers.Dense(2))
    >>> model.build((None, None, 3), seed=0, dtype="float64")
    (None, None, 2)
    >>> x = np.random.default_rng(0).normal(size=(4, 6, 3))
    >>> stream = lamina.Stream(model)
    >>> first = stream(x[:, 0])
    >>> rest = stream(x[:, 1:])
    >>> first.shape, rest.shape
    ((4, 2), (4, 5, 2))
    >>> bool(abs(rest - model(x)[:, 1:]).max() < 1e-12)
    True

    An encoder and a decoder, which goes on from the encoder's last state and attends to its outputs:

    >>> class Translator(lamina.Composite):
    ...     def __init__(self):
    ...         self.encoder = lamina.layers.GRU(8, return_sequences=True, return_state=True)
    ...         self.decoder = lamina.layers.GRU(8, return_sequences=True)
    ...         self.attention = lamina.layers.Attention(2)
    ...     def compose(self, t, source, target):
    ...         memory, state = t(self.encoder, source)
    ...         h = t(self.decoder, target, state)
    ...         return h + t(self.attention, h, memory)
    >>> model = Translator()
    >>> model.build((None, None, 3), (None, None, 3), seed=0, dtype="float64")
    (None, None, 8)
    >>> stream = lamina.Stream(model, whole="source")
    >>> stream.begin(x, lengths=[6, 2, 4, 1])
    >>> steps = [stream(x[:, step]) for step in range(3)]
    >>> taught = model(x, x[:, :3], lengths=([6, 2, 4, 1], None))
    >>> bool(abs(np.stack(steps, 1) - taught).max() < 1e-12)
    True
    """

    def __init__(self, model: Layer, whole: int | str | Sequence[int | str] = ()) -> None:
        self.model = instance("Stream", "model", model, Layer)
        model.bound()
        self._whole = read_whole(model, whole)
        self._stepping = [index for index, own in enumerate(self._whole) if not own]
        self._partly = any(self._whole)
        for index in self._stepping:
            shape = model.input_shapes[index]
            if len(shape) < 3 and not model.reads_integers(index):
                raise StreamError(f"{model.label}: cannot stream: its input {show(shape)} has no time axis")
        self._wholes = self._opened(1)[0]  # refuses what cannot stream
        shapes: Any = model.output_shape
        self._several = isinstance(shapes[0], tuple)
        after = lengths_after(model, np.ones(1, np.int64))
        each = zip(shapes if self._several else (shapes,), as_tuple(after), strict=True)
        self._timed = [lengths is not None and len(shape) > 2 for shape, lengths in each]
        self._state: State = None
        self._batch: int | None = None
        # Of inputs given whole: the state at the start, and the outputs that are whole, None in place of the others.
        self._start: State = None
        self._may_plan = model.backend.plans_steps and not self._partly and len(self._stepping) == 1

    @property
    def batch(self) -> int | None:
        """How many rows it reads; None until the first call or `begin`, and after `reset` where no input is whole."""
        return self._batch

    def begin(self, *inputs: Any, lengths: Any = None) -> None:
        """Begin, from the inputs that are given whole; what the model makes of these alone is computed now.

        Parameters
        ----------
        *inputs : array-like
            Those that ``whole`` names, in the model's order.
        lengths : (batch,) integers, or a tuple of one such, or None, for each of these inputs; optional

        Raises
        ------
        ArgumentError
            If no input is to be given whole.
        ShapeError, DTypeError
            If one does not fit, or lengths do not.
        """
        model, places = self.model, [index for index, own in enumerate(self._whole) if own]
        if not places:
            raise ArgumentError("Stream: no input is given whole: name those that are, as in Stream(model, whole=0)")
        if len(inputs) != len(places):
            raise ShapeError(f"{model.label}: expected {len(places)} inputs given whole, got {len(inputs)}")
        several = is_one_for_each(lengths)
        if several and len(lengths) != len(places):
            raise ShapeError(f"{model.label}: expected lengths for {len(places)} inputs, got {len(lengths)}")
        arrays: list[Any] = [None] * len(self._whole)
        each: list[Any] = [None] * len(self._whole)
        with proofs:
            for place, (index, value) in enumerate(zip(places, inputs, strict=True)):
                x = model.as_input(value, index)
                model.check_input(index, x, model.input_shapes[index])
                rows = arrays[places[0]].shape[0] if place else x.shape[0]
                if x.shape[0] != rows:
                    raise ShapeError(f"Stream: expected inputs given whole of {rows} rows each, got {x.shape[0]}")
                timed = is_timed(model, index, x.ndim)
                arrays[index], each[index] = x, lengths[place] if several else lengths if timed else None
            none = all(own is None for own in each)
            if none and lengths is not None and not several:
                raise ShapeError(f"{model.label}: lengths need a time axis, got {tuple(arrays[places[0]].shape)}")
            running.streaming = True
            try:
                outputs, state = model.begin_stream(*arrays, lengths=None if none else tuple(each))
            finally:
                running.streaming = False
        given = as_tuple(outputs) if any(self._wholes) else (None,) * len(self._wholes)
        self._start, self._state, self._batch = (state, given), state, arrays[places[0]].shape[0]

    def __call__(self, *inputs: Any, lengths: Any = None) -> Any:
        """Return the model's output for the next steps.

        Parameters
        ----------
        *inputs : (batch, features) or (batch, time, features) array-like; integers (batch,) or (batch, time)
            One step, or some, of the inputs that are not given whole. After an error the state is what it was.
        lengths : (batch,) integers, optional
            How many of the steps each row has: a row with 0 keeps its state.

        Returns
        -------
        array, or a tuple of them
            Every step's, (batch, units) for one step and (batch, time, units) for some; where the model gives
            the last step's alone, (batch, units) after what was seen so far.
        """
        if self._may_plan and lengths is None and len(inputs) == 1:
            y = self.read_planned(inputs[0])
            if y is not None:
                return y
        self.settle()
        model, stepping, shapes = self.model, self._stepping, self.model.input_shapes
        if len(inputs) != len(stepping):
            raise ShapeError(f"{model.label}: expected {len(stepping)} inputs, got {len(inputs)}")
        if self._partly and self._start is None:
            raise StreamError("Stream: expected begin() first, with the inputs that are given whole")
        arrays: list[Array] = []
        single = False
        with proofs:  # what integers hold is known to the layer that reads them
            for value, index in zip(inputs, stepping, strict=True):
                x, shape = model.as_input(value, index), shapes[index]
                single = x.ndim == len(shape) - 1 if not arrays else single
                if single and x.ndim:
                    x = as_steps(x)
                model.check_input(index, x, shape)
                rows, steps = x.shape[:2]
                if rows != (self._batch or rows):
                    raise ShapeError(f"Stream: expected {self._batch} rows, as before, got {rows}: see reset()")
                if steps == 0:
                    raise ShapeError(f"Stream: expected at least one time step, got {tuple(x.shape)}")
                arrays.append(x)
            if self._partly:
                steps_of = iter(arrays)
                arrays = [None if own else next(steps_of) for own in self._whole]
            running.streaming = True  # all are arrays of the backend, and so is the state
            try:
                outputs, self._state, _ = model.stream(*arrays, state=self._state, lengths=lengths)
            finally:
                running.streaming = False
        self._batch = arrays[stepping[0]].shape[0]
        if not self._partly and not single:
            return outputs
        given = self._start[1] if self._partly else (None,) * len(self._timed)
        found = [
            own if whole else y[:, 0, ...] if single and timed else y
            for y, timed, whole, own in zip(
                outputs if self._several else (outputs,), self._timed, self._wholes, given, strict=True
            )
        ]
        return tuple(found) if self._several else found[0]

    def reset(self, rows: Any = None) -> None:
        """Begin again, with all rows, whose number may then be another one, or with some of them.

        Where inputs were given whole, rows begin again from these: for others, `begin`.

        Parameters
        ----------
        rows : int, integers, or (batch,) bool, optional
            The rows whose next step is the first of a new sequence.

        Raises
        ------
        ArgumentError
            If there is no such row.
        """
        if rows is None:
            if self._start is None:
                self._rows_before, self._batch = self._batch or self._rows_before, None
            self._state = self._start and self._start[0]
            return
        self.settle()
        if self._batch is None:
            raise ArgumentError("Stream: there are no rows to reset before the first step")
        mask = rows_of(self._batch, rows)
        backend = self.model.backend

        def begun(new: Any, old: Any) -> Any:
            if is_count(new):
                return np.where(mask, new, old)
            if tuple(new.shape) != tuple(old.shape):  # of open size: it starts with nothing there
                new = backend.zeros(old.shape, old.dtype)
            return backend.choose_rows(mask, new, old)

        start = self._opened(self._batch)[1] if self._start is None else self._start[0]
        self._state = map_state(begun, start, self._state)

    @property
    def state(self) -> State:
        """The state, on the host: tuples of tuples as deep as the model, of copied arrays; None at the start.

        Assign one to go on from there; a `ShapeError` says where it does not fit the model. Where inputs are given
        whole it is a pair, of that and of what the model made of these inputs: no `begin` is needed then.
        """
        self.settle()
        state = self._state if self._start is None else (self._state, self._start)
        return state_on_host(self.model.backend, state)

    @state.setter
    def state(self, state: State) -> None:
        if state is None:
            self._start = None
            self.reset()
            return
        bound, first = self.model.bound(), first_of(state)
        batch = next(iter(np.shape(first)), self._batch) or 1
        wanted: Any = self._opened(batch)[1]
        if self._partly:
            shapes: Any = self.model.output_shape
            pairs = zip(shapes if self._several else (shapes,), self._wholes, strict=True)
            sizes = [(batch, *(size or 0 for size in shape[1:])) if own else None for shape, own in pairs]
            given = tuple([None if size is None else bound.backend.zeros(size, bound.dtype_object) for size in sizes])
            wanted = wanted, (wanted, given)
        read = read_state(bound.backend, bound.dtype, wanted, state)
        self._state, self._start = read if self._partly else (read, None)
        self._batch = batch if first is not None else self._batch
        self.plan = None

    def _opened(self, batch: int) -> tuple[Any, State]:
        """Return which outputs are whole, and the state at the start; sizes that are not known yet are 0."""
        if self._partly:
            wholes, state = self.model.open_stream(batch, self._whole)
        else:
            wholes, state = False, self.model.stream_state(batch)
        shapes: Any = self.model.output_shape
        count = len(shapes) if isinstance(shapes[0], tuple) else 1
        return wholes if isinstance(wholes, tuple) else (wholes,) * count, state

    def __repr__(self) -> str:
        rows = "at the start" if self._batch is None else f"{self._batch} rows"
        return f"<Stream: {self.model.label}, {rows}>"
