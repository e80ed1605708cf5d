"""Forks: a child has the locks and the counts of its parent, but only the thread that forked."""

from __future__ import annotations

import os
from collections.abc import Callable

__all__ = ["after_fork"]


def after_fork(renew: Callable[[], None]) -> Callable[[], None]:
    """Have a function called in every child that this process forks, before anything else runs there; return it.

    A lock that another thread held when the process was forked stays held in the child for ever, as that thread is
    not there to release it. So whoever keeps a lock, or counts threads, makes them anew in this way.
    """
    if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
        os.register_at_fork(after_in_child=renew)
    return renew
