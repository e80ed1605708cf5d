"""What a contestant makes of a piece of work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Prepared"]


@dataclass(frozen=True)
class Prepared:
    """Work made ready.

    Attributes
    ----------
    call : callable
        What is timed.
    results : callable
        Returns, by Lamina's names, what contestants must agree in; called once, before anything is timed.
    count : int
        How many steps, or epochs, a call takes; the time of one is reported.
    """

    call: Callable[[], Any]
    results: Callable[[], dict[str, Any]]
    count: int = 1
