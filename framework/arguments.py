"""Arguments read from whatever a caller passes, or refused with one clear line."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from lamina.errors import ArgumentError

__all__ = ["instance", "whole"]

T = TypeVar("T")


def instance(owner: str, name: str, value: Any, cls: type[T]) -> T:
    """Return a value that must be an instance of a class, or raise `ArgumentError`."""
    if isinstance(value, cls):
        return value
    hint = f": write {value.__name__}(...)" if isinstance(value, type) else ""
    article = "an" if cls.__name__[0] in "AEIOU" else "a"
    raise ArgumentError(f"{owner}: expected {name} to be {article} {cls.__name__}, got {value!r}{hint}")


def whole(owner: str, name: str, value: Any, least: int = 1) -> int:
    """Return a whole number that must be at least 1, or another bound, or raise `ArgumentError`."""
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value >= least:
        return int(value)
    raise ArgumentError(f"{owner}: expected {name} to be a whole number of {least} or more, got {value!r}")
