"""Reading sequences as they come: one step, or some steps, at a time, from a state that the reader keeps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from lamina.backends import Array
from lamina.core.arguments import instance
from lamina.core.calls import running
from lamina.core.host import as_host
from lamina.core.layer import Layer
from lamina.core.lengths import lengths_after
from lamina.core.proven import proofs
from lamina.core.shapes import as_tuple, show
from lamina.errors import ArgumentError, ShapeError, StreamError

__all__ = ["Stream"]

# None, an array (batch, ...), or a tuple of states.
State: TypeAlias = Any


class Stream:
    """Runs a built model on sequences as they come, and keeps its state between calls.

    The outputs are those of the whole sequence at once. The model keeps nothing: many streams may run through
    one model, each with a batch of its own.

    Parameters
    ----------
    model : Layer
        Built, for one or more inputs (batch, time, features), or integers (batch, time).

    Raises
    ------
    NotBuiltError
        If the model is not built.
    StreamError
        If one of its layers needs more than the steps so far: go_backwards, attention that is not causal, ...

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
    """

    def __init__(self, model: Layer) -> None:
        self.model = instance("Stream", "model", model, Layer)
        model.bound()
        for index, shape in enumerate(model.input_shapes):
            if len(shape) < 3 and not model.reads_integers(index):
                raise StreamError(f"{model.label}: cannot stream: its input {show(shape)} has no time axis")
        model.stream_state(1)  # refuses what cannot stream
        shapes: Any = model.output_shape
        self._several = isinstance(shapes[0], tuple)
        after = lengths_after(model, np.ones(1, np.int64))
        each = zip(shapes if self._several else (shapes,), as_tuple(after), strict=True)
        self._timed = [lengths is not None and len(shape) > 2 for shape, lengths in each]
        self._state: State = None
        self._batch: int | None = None

    @property
    def batch(self) -> int | None:
        """How many rows it reads; None until the first call, and after `reset` of all rows."""
        return self._batch

    def __call__(self, *inputs: Any, lengths: Any = None) -> Any:
        """Return the model's output for the next steps.

        Parameters
        ----------
        *inputs : (batch, features) or (batch, time, features) array-like; integers (batch,) or (batch, time)
            One step, or some. After an error the state is what it was.
        lengths : (batch,) integers, optional
            How many of the steps each row has: a row with 0 keeps its state.

        Returns
        -------
        array, or a tuple of them
            Every step's, (batch, units) for one step and (batch, time, units) for some; where the model gives
            the last step's alone, (batch, units) after what was seen so far.
        """
        model = self.model
        shapes = model.input_shapes
        if len(inputs) != len(shapes):
            raise ShapeError(f"{model.label}: expected {len(shapes)} inputs, got {len(inputs)}")
        arrays: list[Array] = []
        single = False
        with proofs:  # what integers hold is known to the layer that reads them
            for index, (value, shape) in enumerate(zip(inputs, shapes, strict=True)):
                x = model.as_input(value, index)
                single = x.ndim == len(shape) - 1 if index == 0 else single
                if single and x.ndim:
                    x = _as_steps(x)
                model.check_input(index, x, shape)
                rows, steps = x.shape[:2]
                if rows != (self._batch or rows):
                    raise ShapeError(f"Stream: expected {self._batch} rows, as before, got {rows}: see reset()")
                if steps == 0:
                    raise ShapeError(f"Stream: expected at least one time step, got {tuple(x.shape)}")
                arrays.append(x)
            running.streaming = True  # all are arrays of the backend, and so is the state
            try:
                outputs, self._state, _ = model.stream(*arrays, state=self._state, lengths=lengths)
            finally:
                running.streaming = False
        self._batch = arrays[0].shape[0]
        if not single:
            return outputs
        if not self._several:
            return outputs[:, 0, ...] if self._timed[0] else outputs
        return tuple(y[:, 0, ...] if timed else y for y, timed in zip(outputs, self._timed, strict=True))

    def reset(self, rows: Any = None) -> None:
        """Begin again, with all rows, whose number may then be another one, or with some of them.

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
            self._state, self._batch = None, None
            return
        if self._batch is None:
            raise ArgumentError("Stream: there are no rows to reset before the first step")
        picked = np.atleast_1d(as_host(rows, "Stream rows"))
        mask = np.zeros(self._batch, bool)
        if picked.dtype == bool and picked.shape == mask.shape:
            mask = picked
        elif picked.size:
            if picked.dtype.kind not in "iu" or picked.min() < -self._batch or picked.max() >= self._batch:
                raise ArgumentError(f"Stream: expected rows from 0 to {self._batch - 1}, got {rows!r}")
            mask[picked] = True
        backend = self.model.backend

        def begun(new: Any, old: Any) -> Any:
            if _counts(new):
                return np.where(mask, new, old)
            if tuple(new.shape) != tuple(old.shape):  # of open size: it starts with nothing there
                new = backend.zeros(old.shape, old.dtype)
            return backend.choose_rows(mask, new, old)

        self._state = _map(begun, self.model.stream_state(self._batch), self._state)

    @property
    def state(self) -> State:
        """The state, on the host: tuples of tuples as deep as the model, of copied arrays; None at the start.

        Assign one to go on from there; a `ShapeError` says where it does not fit the model.
        """
        backend = self.model.backend
        return _map(lambda part: np.array(part if _counts(part) else backend.to_numpy(part)), self._state)

    @state.setter
    def state(self, state: State) -> None:
        if state is None:
            self.reset()
            return
        backend, dtype = self.model.backend, self.model.dtype
        first = _first(state)
        batch = next(iter(np.shape(first)), self._batch)
        wanted = self.model.stream_state(batch or 1)

        def fit(new: Any, own: Any) -> Any:
            if own is not None and not isinstance(own, tuple):
                own = as_host(own, "Stream state")
            wanted, given = tuple(new.shape), None if own is None or isinstance(own, tuple) else np.shape(own)
            # An axis of open size, such as a time axis that grows, has size 0 at the start.
            if (
                given is None
                or len(given) != len(wanted)
                or any(a != b and a for a, b in zip(wanted, given, strict=True))
            ):
                sizes = str(wanted).replace(" 0,", " any,").replace(" 0)", " any)")
                raise ShapeError(f"Stream: expected a state {sizes}, got {'no array' if given is None else given}")
            if not _counts(new):
                return backend.copy(backend.asarray(own, dtype))
            counts = np.array(own)
            if counts.dtype.kind not in "iu" or (counts < 0).any():
                raise ShapeError(f"Stream: expected a state of counts of steps, got {counts.tolist()}")
            return counts.astype(np.int64)

        self._state, self._batch = _map(fit, wanted, state), batch

    def __repr__(self) -> str:
        rows = "at the start" if self._batch is None else f"{self._batch} rows"
        return f"<Stream: {self.model.label}, {rows}>"


def _as_steps(x: Array) -> Array:
    """Return one step (batch, ...) as (batch, 1, ...)."""
    known, steps = proofs.host_of(x), x[:, None, ...]
    if known is not None:
        proofs.note_host(steps, known[:, None, ...])
    return steps


def _map(function: Callable[..., Any], state: State, *others: State) -> State:
    """Return a tree like the first one, of what a function makes of the arrays at each place of all trees."""
    if state is None:
        return None
    if not isinstance(state, tuple):
        return function(state, *others)
    for other in others:
        if not isinstance(other, tuple) or len(other) != len(state):
            raise ShapeError(f"Stream: expected a state of {len(state)} parts, got {_count(other)}")
    return tuple(_map(function, *parts) for parts in zip(state, *others, strict=True))


def _counts(part: Any) -> bool:
    """Tell whether a part of a state counts steps, (batch,) integers: on the host, as lengths are."""
    return isinstance(part, np.ndarray) and part.dtype.kind == "i"


def _count(state: State) -> str:
    return f"{len(state)}" if isinstance(state, tuple) else "an array" if hasattr(state, "shape") else "none"


def _first(state: State) -> Any:
    """Return the first array of a tree; None where there is none."""
    if isinstance(state, tuple):
        return next((found for part in state if (found := _first(part)) is not None), None)
    return state
