"""What has been proven once, and need not be again: a call's lengths at every layer, a trainer's data at every step."""

from __future__ import annotations

import threading
from typing import Any

__all__ = ["Proofs", "proofs"]


class Proofs(threading.local):
    """The objects that this thread has proven, each with what it was proven for, while a call or a step runs.

    An object is known by its identity, so nothing but the very array that was looked at is ever taken on trust. What
    is noted in this context is forgotten when the outermost one ends; outside of one nothing is noted.

    What lies on a device and came from the host is known with what it was there: to look at it need not wait.

    Attributes
    ----------
    kept : int
        How many such contexts this thread is in.
    """

    def __init__(self) -> None:
        self.kept = 0
        self._known: dict[int, tuple[Any, Any]] = {}
        self._hosts: dict[int, tuple[Any, Any]] = {}

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

    def note_host(self, value: Any, host: Any) -> None:
        """Note what an array holds, as an array of NumPy's."""
        if self.kept and value is not host:
            self._hosts[id(value)] = value, host

    def host_of(self, value: Any) -> Any:
        """Return what this very array holds, where it is known on the host; None where not."""
        if not self._hosts:
            return None
        known = self._hosts.get(id(value))
        return known[1] if known is not None and known[0] is value else None

    def __enter__(self) -> Proofs:
        self.kept += 1
        return self

    def __exit__(self, *_: object) -> None:
        self.kept -= 1
        if not self.kept:
            self._known.clear()
            self._hosts.clear()


proofs = Proofs()
