"""Where a random model's choices come from, and a piece of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["Choices", "Fragment"]


class Choices(Protocol):
    """Where a random model's choices come from; the first is the simplest."""

    def pick(self, options: Sequence[Any]) -> Any:
        """Return one of some options."""

    def number(self, least: int, most: int) -> int:
        """Return a whole number between two, both included."""

    def one_in(self, count: int) -> bool:
        """Return True once in so many times."""


@dataclass(frozen=True)
class Fragment:
    """An expression of a layer, and what is known of it.

    Attributes
    ----------
    code : str
    features : int
        Of its output.
    flags : frozenset of str
        ``"whole"``: it needs a whole sequence, and cannot stream; ``"statistics"``: forward moves what it keeps.
    """

    code: str
    features: int
    flags: frozenset[str] = frozenset()
