"""Additions to gradients, from one thread at a time: ``parameter.grad += x`` reads, adds and writes."""

from __future__ import annotations

import threading
from typing import Any, ClassVar

from lamina.backends.forking import after_fork

__all__ = ["addition_lock", "thread"]


class Adding:
    """What one thread does.

    Attributes
    ----------
    held : lock, False or None
        None outside a layer's backward, False inside; the lock from where the layer first asks for a gradient until
        its backward ends. The guard around backward sets it, and releases the lock.
    told : callable or None
        Is given each layer of a `Sequential` once its backward has ended.
    """

    __slots__ = ("held", "told")
    #: One lock for all gradients: it is held while a layer adds what it has computed, and with one there is no wrong
    #: order in which to take several. It knows its thread, which may take it again.
    lock: ClassVar[Any] = threading.RLock()

    def __init__(self) -> None:
        self.held: Any = None
        self.told: Any = None


class _Thread(threading.local):
    def __init__(self) -> None:
        self.adding = Adding()


#: Its ``adding`` is this thread's.
thread = _Thread()


def addition_lock() -> Any:
    """Return the lock that additions hold in this process, to gradients and to running means."""
    return Adding.lock


@after_fork
def _renew() -> None:
    Adding.lock = threading.RLock()
