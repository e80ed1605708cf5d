"""Which of the backend's own kernels were called: what was never called was never tried."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from lamina.backends import Backend
from lamina.backends.arrays import ArrayOperations

__all__ = ["calls_counted", "own_functions"]

# They find a kernel, and are none.
_CHOOSING = frozenset({"find_kernel", "select", "supports", "pair"})


def own_functions(backend: Backend) -> list[str]:
    """Return the names of the kernels, updates and row operations that a backend has of its own."""
    found = []
    for name in dir(type(backend)):
        own, generic = getattr(type(backend), name), getattr(Backend, name, None)
        if name.startswith("_") or name in _CHOOSING or not callable(own) or hasattr(ArrayOperations, name):
            continue
        if own is not generic and (generic is not None or name.endswith(("_forward", "_backward"))):
            found.append(name)
    return found


@contextmanager
def calls_counted(backend: Backend) -> Iterator[Counter[str]]:
    """Count the calls of a backend's own functions within the block."""
    counts: Counter[str] = Counter()

    def counted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*arguments: Any, **options: Any) -> Any:
            counts[name] += 1
            return function(*arguments, **options)

        return call

    kind = type(backend)
    before = {name: vars(kind).get(name) for name in own_functions(backend)}
    for name in before:
        setattr(kind, name, counted(name, getattr(kind, name)))
    # What `select` found before holds the functions themselves.
    selected = vars(backend).pop("_selected", None)
    try:
        yield counts
    finally:
        vars(backend).pop("_selected", None)
        if selected is not None:
            vars(backend)["_selected"] = selected
        for name, function in before.items():
            if function is None:
                delattr(kind, name)
            else:
                setattr(kind, name, function)
