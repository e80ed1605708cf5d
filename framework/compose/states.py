"""States of streams: trees of arrays, as deep as the model, None where there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from lamina.backends import Array, Backend
from lamina.core.host import as_host
from lamina.core.proven import proofs
from lamina.errors import ArgumentError, ShapeError

__all__ = ["State", "as_steps", "first_of", "is_count", "map_state", "read_state", "rows_of", "state_on_host"]

# None, an array (batch, ...), or a tuple of states.
State: TypeAlias = Any


def map_state(function: Callable[..., Any], state: State, *others: State) -> State:
    """Return a tree like the first one, of what a function makes of the arrays at each place of all trees.

    Raises
    ------
    ShapeError
        If another tree is not as deep.
    """
    if state is None:
        return None
    if not isinstance(state, tuple):
        return function(state, *others)
    for other in others:
        if not isinstance(other, tuple) or len(other) != len(state):
            raise ShapeError(f"Stream: expected a state of {len(state)} parts, got {_count(other)}")
    return tuple(map_state(function, *parts) for parts in zip(state, *others, strict=True))


def is_count(part: Any) -> bool:
    """Tell whether a part of a state counts steps, (batch,) integers: on the host, as lengths are."""
    return isinstance(part, np.ndarray) and part.dtype.kind == "i"


def first_of(state: State) -> Any:
    """Return the first array of a tree; None where there is none."""
    if isinstance(state, tuple):
        return next((found for part in state if (found := first_of(part)) is not None), None)
    return state if state is None or hasattr(state, "shape") else as_host(state, "Stream state")


def state_on_host(backend: Backend, state: State) -> State:
    """Return copies of a state's arrays, on the host."""
    return map_state(lambda part: np.array(part if is_count(part) else backend.to_numpy(part)), state)


def read_state(backend: Backend, dtype: Any, wanted: State, state: State) -> State:
    """Return a state that was kept on the host as one of a backend's.

    Parameters
    ----------
    backend : Backend
    dtype : str
    wanted : state
        As it is at the start. An axis of open size, such as a time axis that grows, has size 0 there.
    state : state

    Raises
    ------
    ShapeError
        If it does not fit.
    """

    def fit(new: Any, own: Any) -> Any:
        if own is not None and not isinstance(own, tuple):
            own = as_host(own, "Stream state")
        wanted, given = tuple(new.shape), None if own is None or isinstance(own, tuple) else np.shape(own)
        if given is None or len(given) != len(wanted) or any(a != b and a for a, b in zip(wanted, given, strict=True)):
            sizes = str(wanted).replace(" 0,", " any,").replace(" 0)", " any)")
            raise ShapeError(f"Stream: expected a state {sizes}, got {'no array' if given is None else given}")
        if not is_count(new):
            return backend.copy(backend.asarray(own, dtype))
        counts = np.array(own)
        if counts.dtype.kind not in "iu" or (counts < 0).any():
            raise ShapeError(f"Stream: expected a state of counts of steps, got {counts.tolist()}")
        return counts.astype(np.int64)

    return map_state(fit, wanted, state)


def rows_of(batch: int, rows: Any) -> Any:
    """Return chosen rows of a batch as a mask (batch,) bool, or raise `ArgumentError`."""
    picked = np.atleast_1d(as_host(rows, "Stream rows"))
    mask = np.zeros(batch, bool)
    if picked.dtype == bool and picked.shape == mask.shape:
        return picked
    if picked.size:
        if picked.dtype.kind not in "iu" or picked.min() < -batch or picked.max() >= batch:
            raise ArgumentError(f"Stream: expected rows from 0 to {batch - 1}, got {rows!r}")
        mask[picked] = True
    return mask


def _count(state: State) -> str:
    return f"{len(state)}" if isinstance(state, tuple) else "an array" if hasattr(state, "shape") else "none"


def as_steps(x: Array) -> Array:
    """Return one step (batch, ...) as (batch, 1, ...)."""
    known, steps = proofs.host_of(x), x[:, None, ...]
    if known is not None:
        proofs.note_host(steps, known[:, None, ...])
    return steps
