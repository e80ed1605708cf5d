"""A number that was promised, and the one that was found."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Target"]


@dataclass(frozen=True)
class Target:
    """One number that was promised.

    Attributes
    ----------
    what : str
    needed : float
    found : float
    at_least : bool
        Whether more is better.
    unit : str
    """

    what: str
    needed: float
    found: float
    at_least: bool = True
    unit: str = ""

    @property
    def holds(self) -> bool:
        """Whether it is reached."""
        return self.found >= self.needed if self.at_least else self.found <= self.needed

    def __str__(self) -> str:
        mark, bound = "holds " if self.holds else "MISSED", "at least" if self.at_least else "at most"
        return f"{mark} {self.what}: {self.found:.3g}{self.unit}, {bound} {self.needed:.3g}{self.unit}"
