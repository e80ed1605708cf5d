"""The work that Lamina and its rival are given: what it is, its data and first weights, the same for both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["CELLS", "CLASSES", "RATE", "Weights", "Work"]

CELLS = ("LSTM", "GRU", "SimpleRNN")
CLASSES = 10
RATE = 0.01

Weights = dict[str, np.ndarray]


@dataclass(frozen=True)
class Work:
    """Recurrent layers of as many features as units, and a Dense layer of ten classes on the last state.

    Attributes
    ----------
    cell : str
    batch, time, units : int
    layers : int
    bidirectional : bool
    ragged : bool
        Whether rows have lengths of their own: between half the time and all of it, the longest first.
    """

    cell: str
    batch: int
    time: int
    units: int
    layers: int = 1
    bidirectional: bool = False
    ragged: bool = False

    @property
    def variant(self) -> str:
        """What differs from one layer, in one direction, over full rows."""
        parts = [f"{self.layers} layers"] * (self.layers > 1)
        parts += ["bidirectional"] * self.bidirectional + ["ragged"] * self.ragged
        return ", ".join(parts)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(batch, time, units)."""
        return self.batch, self.time, self.units

    def data(self) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Return x (batch, time, units), labels (batch,), and lengths (batch,) or None."""
        rng = np.random.default_rng(0)
        x = rng.standard_normal((self.batch, self.time, self.units), np.float32)
        labels = rng.integers(0, CLASSES, self.batch)
        if not self.ragged:
            return x, labels, None
        lengths = rng.integers(max(1, self.time // 2), self.time + 1, self.batch)
        lengths[0] = self.time
        return x, labels, np.sort(lengths)[::-1].copy()

    def __str__(self) -> str:
        return f"{self.cell} {self.shape}" + (f" {self.variant}" if self.variant else "")
