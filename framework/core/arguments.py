"""Arguments read from whatever a caller passes, or refused with one clear line.

Every check has the same first arguments: whose argument it is, a name or the part itself; what it is called; its value.
"""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Real
from typing import Any, TypeVar

import numpy as np

from lamina.errors import ArgumentError, shown, unknown

__all__ = ["MOST", "extent", "flag", "instance", "is_whole", "name_of", "number", "one_of", "whole"]

T = TypeVar("T")

#: The largest size, and the furthest place along an axis: of two of them NumPy's integers still hold the product.
MOST = 2**31 - 1


def name_of(owner: Any) -> str:
    """Return how messages call an owner: by the name given, or the class."""
    return owner if isinstance(owner, str) else type(owner).__name__


def instance(owner: Any, name: str, value: Any, cls: type[T]) -> T:
    """Return a value that must be an instance of a class, or raise `ArgumentError`."""
    if isinstance(value, cls):
        return value
    hint = f": write {value.__name__}(...)" if isinstance(value, type) else ""
    article = "an" if cls.__name__[0] in "AEIOU" else "a"
    raise ArgumentError(f"{name_of(owner)}: expected {name} to be {article} {cls.__name__}, got {shown(value)}{hint}")


def flag(owner: Any, name: str, value: Any) -> bool:
    """Return a value that must be True or False, also as NumPy's or as 1 or 0, or raise `ArgumentError`."""
    if isinstance(value, (bool, np.bool_)) or (isinstance(value, (int, np.integer)) and value in (0, 1)):
        return bool(value)
    raise ArgumentError(f"{name_of(owner)}: expected {name} to be True or False, got {shown(value)}")


def one_of(owner: Any, name: str, value: Any, choices: Iterable[str]) -> str:
    """Return a name that must be one of some, or raise `UnknownNameError` with the nearest of them."""
    known = tuple(choices)
    if isinstance(value, str) and value in known:
        return value
    raise unknown(f"{name} of {name_of(owner)}", value, known)


def is_whole(value: Any) -> bool:
    """Tell whether a value is a whole number, Python's or NumPy's; True and False are none."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def whole(owner: Any, name: str, value: Any, least: int | None = 1) -> int:
    """Return a whole number that must be at least 1, or another bound, or raise `ArgumentError`."""
    # A whole number of Python's is asked for often, and nothing else is then to be called.
    if (type(value) is int or is_whole(value)) and (least is None or value >= least):
        return int(value)
    bound = "" if least is None else f" of {least} or more"
    raise ArgumentError(f"{name_of(owner)}: expected {name} to be a whole number{bound}, got {shown(value)}")


def extent(owner: Any, name: str, value: Any, least: int | None = 1) -> int:
    """Return a size, or a place along an axis: as `whole` does, and at most 2147483647 away from 0."""
    found = whole(owner, name, value, least)
    if -MOST <= found <= MOST:
        return found
    bound = f"from {-MOST if least is None else least} to {MOST}"
    raise ArgumentError(f"{name_of(owner)}: expected {name} to be a whole number {bound}, got {shown(value)}")


def number(
    owner: Any,
    name: str,
    value: Any,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    below: float | None = None,
) -> float:
    """Return a finite number within its bounds, as Python's float, or raise `ArgumentError`.

    Parameters
    ----------
    owner : str or object
    name : str
    value : object
    least, most : float, optional
        Bounds that the number may have.
    above, below : float, optional
        Bounds that it may not.
    """
    if (
        _is_finite(value)
        and (least is None or value >= least)
        and (above is None or value > above)
        and (most is None or value <= most)
        and (below is None or value < below)
    ):
        return float(value)
    bounds = {"of at least": least, "above": above, "of at most": most, "below": below}
    within = " and ".join(f"{word} {bound:g}" for word, bound in bounds.items() if bound is not None)
    raise ArgumentError(
        f"{name_of(owner)}: expected {name} to be a number {within or 'that is finite'}, got {shown(value)}"
    )


def _is_finite(value: Any) -> bool:
    if not isinstance(value, (Real, np.number)) or isinstance(value, (bool, complex, np.complexfloating)):
        return False
    try:
        return bool(np.isfinite(float(value)))
    except OverflowError:  # a whole number beyond every float
        return False
