"""What has been proven once, and need not be again: a call's lengths at every layer, a trainer's data at every step."""

from __future__ import annotations

import threading
from typing import Any

__all__ = ["Proofs", "proofs"]


class Proofs(threading.local):
    """The objects that this thread has proven, each with what it was proven for, while a call or a step runs.

    An object is known by its identity, so nothing but the very array that was looked at is ever taken on trust. What
    is noted in this context is forgotten when the outermost one ends; outside of one nothing is noted.

    Attributes
    ----------
    kept : int
        How many such contexts this thread is in.
    """

    def __init__(self) -> None:
        self.kept = 0
        self._known: dict[int, tuple[Any, Any]] = {}

    def note(self, value: Any, purpose: Any) -> None:
        """Note that an object was proven for a purpose, such as lengths for (batch, time)."""
        if self.kept:
            self._known[id(value)] = value, purpose

    def has(self, value: Any, purpose: Any) -> bool:
        """Tell whether this very object was proven for the purpose."""
        if not self._known:
            return False
        known = self._known.get(id(value))
        return known is not None and known[0] is value and bool(known[1] == purpose)

    def forget(self) -> None:
        """Forget everything, where no context is left."""
        if not self.kept and self._known:
            self._known.clear()

    def __enter__(self) -> Proofs:
        self.kept += 1
        return self

    def __exit__(self, *_: object) -> None:
        self.kept -= 1
        self.forget()


proofs = Proofs()
