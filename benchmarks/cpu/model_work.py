"""Training steps of whole models: a language model of integers, and attention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from benchmarks.cpu.weights import CLASSES, Weights, first_weights, glorot
from benchmarks.cpu.work import Work

__all__ = ["Attending", "Language"]


@dataclass(frozen=True)
class Language(Work):
    """A step of a language model: Embedding, an LSTM's every state, Dense, softmax cross-entropy of every step, SGD."""

    section = "language"
    title: ClassVar[str] = "Embedding, LSTM, Dense"

    batch: int
    time: int
    units: int

    vocabulary: ClassVar[int] = 100
    vectors: ClassVar[int] = 64

    @property
    def shape(self) -> tuple[int, int, int]:
        """(batch, time, units)."""
        return self.batch, self.time, self.units

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Return x and labels, (batch, time) integers."""
        x, y = np.random.default_rng(0).integers(0, self.vocabulary, (2, self.batch, self.time))
        return x, y

    def weights(self) -> Weights:
        """Return the first weights."""
        table = np.random.default_rng(2).uniform(-0.05, 0.05, (self.vocabulary, self.vectors)).astype(np.float32)
        return {"0.w": table} | first_weights("LSTM", self.vectors, self.units, self.vocabulary, place=1)

    def __str__(self) -> str:
        return f"{self.title} {self.shape}"


@dataclass(frozen=True)
class Attending(Work):
    """A step of a classifier of steps: attention in heads, LayerNorm, Dense, softmax cross-entropy, SGD."""

    section = "attending"
    title: ClassVar[str] = "SelfAttention, LayerNorm, Dense"

    batch: int
    time: int
    units: int

    heads: ClassVar[int] = 4
    epsilon: ClassVar[float] = 1e-5
    #: What contestants do not compare: the loss does not depend on it, and its gradient is rounding.
    idle: ClassVar[str] = "0.b_k"

    @property
    def shape(self) -> tuple[int, int, int]:
        """(batch, time, units); there are as many features as units."""
        return self.batch, self.time, self.units

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Return x (batch, time, units) and labels (batch, time)."""
        rng = np.random.default_rng(0)
        return rng.standard_normal(self.shape, np.float32), rng.integers(0, CLASSES, (self.batch, self.time))

    def weights(self) -> Weights:
        """Return the first weights, by Lamina's names; biases and shifts are other than 0."""
        rng = np.random.default_rng(1)
        weights = {f"0.w_{name}": glorot(rng, self.units, self.units) for name in "qkvo"}
        weights |= {f"0.b_{name}": rng.normal(0, 0.1, self.units) for name in "qkvo"}
        weights |= {"1.scale": rng.uniform(0.8, 1.2, self.units), "1.shift": rng.normal(0, 0.1, self.units)}
        weights |= {"2.w": glorot(rng, self.units, CLASSES), "2.b": rng.normal(0, 0.1, CLASSES)}
        return {name: np.ascontiguousarray(array, np.float32) for name, array in weights.items()}

    def __str__(self) -> str:
        return f"{self.title} {self.shape}"
