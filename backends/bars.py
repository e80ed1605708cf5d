"""tqdm's bars, made so that they are in nobody's way: for what trains, and for what compiles."""

from __future__ import annotations

import threading
from typing import Any, ClassVar
from weakref import WeakSet

__all__ = ["quiet"]


def quiet(base: Any) -> Any:
    """Return a class of bar that starts no thread, holds no lock of others and waits for none when it goes."""

    class Quiet(base):  # type: ignore[misc]
        monitor_interval = 0  # no thread: bars are moved often enough
        _instances: ClassVar[Any] = WeakSet()  # what all bars have in common, under a lock that is not this one's

        def __del__(self) -> None:
            """Leave it: ``close`` takes it away. This may run in any thread, where a lock must not be waited for."""

    # Its own: a Ctrl-C, or a fork, while tqdm's is taken would leave that held, and each later bar waiting.
    Quiet.set_lock(threading.RLock())
    return Quiet
