"""Arguments read from whatever a caller passes, or refused with one clear line."""

from __future__ import annotations

from numbers import Real
from typing import Any, TypeVar

import numpy as np

from lamina.errors import ArgumentError

__all__ = ["instance", "number", "whole"]

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


def number(
    owner: str,
    name: str,
    value: Any,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    below: float | None = None,
) -> float:
    """Return a finite number within its bounds, or raise `ArgumentError`.

    Parameters
    ----------
    owner, name : str
        Whose argument it is, and what it is called.
    value : object
    least, most : float, optional
        Bounds that the number may have.
    above, below : float, optional
        Bounds that it may not.
    """
    real = isinstance(value, Real) and not isinstance(value, bool) and np.isfinite(float(value))
    if (
        real
        and (least is None or value >= least)
        and (above is None or value > above)
        and (most is None or value <= most)
        and (below is None or value < below)
    ):
        return float(value)
    bounds = {"of at least": least, "above": above, "of at most": most, "below": below}
    within = " and ".join(f"{word} {bound:g}" for word, bound in bounds.items() if bound is not None)
    raise ArgumentError(f"{owner}: expected {name} to be a number {within or 'that is finite'}, got {value!r}")
