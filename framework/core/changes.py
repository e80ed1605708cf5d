"""How often settings of layers and losses were assigned: what was made of them may have to be made anew."""

from __future__ import annotations

from typing import Any

__all__ = ["Changing", "changes"]


class _Changes:
    """A count, of the whole process."""

    def __init__(self) -> None:
        self.count = 0


changes = _Changes()


class Changing:
    """Counts each assignment of a number, text, or other setting, to an attribute that is not private."""

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        # What builds assign, also to probe, is no setting: parameters and None in place of one.
        if name[0] != "_" and value is not None and not hasattr(value, "initializer"):
            changes.count += 1
