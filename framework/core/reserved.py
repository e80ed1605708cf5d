"""Names that a constructor's argument cannot have: what every part of its kind has under them would be lost."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lamina.errors import ArgumentError

__all__ = ["is_reserved", "refuse_reserved"]


def is_reserved(cls: Any, name: str) -> bool:
    """Tell whether a name is that of a method of every part of the kind, or of a property that cannot be set.

    So are the attributes that a class of the framework's lists in ``_kept``; what a class of yours defines is yours.
    """
    if name.startswith("_"):
        return False
    bases = cls.__mro__
    root = next((index for index, base in enumerate(bases) if "registry" in vars(base)), 0)
    for index, base in enumerate(bases):
        if name in vars(base).get("_kept", ()):
            return True
        found = vars(base).get(name) if index >= root else None
        settable = isinstance(found, property) and found.fset is not None
        if callable(found) or isinstance(found, (classmethod, staticmethod)) or (_is_data(found) and not settable):
            return True
    return False


def _is_data(found: Any) -> bool:
    """Tell whether it is a property or the like, which an instance's attribute of the name cannot hide."""
    return hasattr(type(found), "__set__")


def refuse_reserved(cls: Any, names: Iterable[str]) -> None:
    """Raise `ArgumentError` where one of a constructor's arguments has a reserved name."""
    for name in names:
        if is_reserved(cls, name):
            raise ArgumentError(
                f"{cls.__name__}: the argument {name!r} has the name of what every {cls.registry.kind} has: "
                "take another name"
            )
