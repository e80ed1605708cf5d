"""From a name to what it stands for: part of Lamina, or what an entry point of another package names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from lamina.backends.errors import LaminaError, unknown

__all__ = ["factory_of", "plug_ins"]


def plug_ins(group: str) -> dict[str, Any]:
    """Return the entry points in a group, by name."""
    from importlib.metadata import entry_points  # 20 ms that most runs never need

    return {point.name: point for point in entry_points(group=group)}


def factory_of(
    kind: str,
    name: Any,
    built_in: Mapping[str, str],
    points: Callable[[], Mapping[str, Any]],
    known: Callable[[], tuple[str, ...]],
    failed: type[LaminaError],
) -> Any:
    """Return what makes the thing that a name stands for.

    Parameters
    ----------
    kind : str
        What it is, for the messages.
    name : str
    built_in : mapping of str to str
        By name: its module, a colon, and its class.
    points : callable
        Returns the entry points by name; asked where no built-in one has the name.
    known : callable
        Returns all names, for the message.
    failed : type
        What is raised where a package cannot be imported.

    Raises
    ------
    UnknownNameError
        If nothing has that name.
    """
    if isinstance(name, str) and name in built_in:
        module, _, attribute = built_in[name].partition(":")
        return getattr(import_module(module), attribute)
    found = points()
    if not isinstance(name, str) or name not in found:
        raise unknown(kind, name, known())
    try:
        return found[name].load()
    except ImportError as error:
        raise failed(f"{kind} {name!r}: its package cannot be imported ({error})") from error
