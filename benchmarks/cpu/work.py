"""The work that contestants are given: what it is, and the data and first weights, the same for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from benchmarks.cpu.weights import CLASSES, GATES, KINDS, Weights, first_weights

__all__ = [
    "CLASSES",
    "KINDS",
    "RATE",
    "Characters",
    "Inference",
    "Loop",
    "Products",
    "Ragged",
    "Training",
    "Vowels",
    "Weights",
    "Work",
]

RATE = 0.01


@dataclass(frozen=True)
class Work:
    """Something to do; contestants have a function of its section's name."""

    section: ClassVar[str]


@dataclass(frozen=True)
class Training(Work):
    """A step: forward, Dense on the last state, softmax cross-entropy, backward to all parameters, SGD's update."""

    section = "training"

    kind: str
    batch: int
    time: int
    features: int
    units: int

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(batch, time, features, units)."""
        return self.batch, self.time, self.features, self.units

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Return x (batch, time, features) and labels (batch,)."""
        rng = np.random.default_rng(0)
        x = rng.standard_normal((self.batch, self.time, self.features), np.float32)
        return x, rng.integers(0, CLASSES, self.batch)

    def weights(self) -> Weights:
        """Return the first weights."""
        return first_weights(self.kind, self.features, self.units)

    @property
    def operations(self) -> int:
        """Floating-point operations in the recurrent layer's products; the data's gradient is not needed."""
        rows, columns = self.batch * self.time, GATES[self.kind] * self.units
        forward = 2 * rows * (self.features + self.units) * columns
        through_time = 2 * rows * self.units * columns
        return forward + through_time + forward  # the weights' gradients take as many as the forward pass

    def __str__(self) -> str:
        return f"{self.kind} {self.shape}"


@dataclass(frozen=True)
class Ragged(Work):
    """A training step over rows of unequal length, padded to the same; the last state is that of a row's end."""

    section = "ragged"

    kind: str
    batch: int
    time: int
    features: int
    units: int

    #: The shortest length; the longest is ``time``.
    shortest: ClassVar[int] = 5

    @property
    def whole(self) -> Training:
        """The step over rows of equal length."""
        return Training(self.kind, self.batch, self.time, self.features, self.units)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(batch, time, features, units)."""
        return self.whole.shape

    def data(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return x (batch, time, features), 0 where a row has ended, labels (batch,) and lengths (batch,)."""
        x, y = self.whole.data()
        lengths = np.random.default_rng(3).integers(min(self.shortest, self.time), self.time + 1, self.batch)
        x[np.arange(self.time) >= lengths[:, None]] = 0
        return x, y, lengths

    def weights(self) -> Weights:
        """Return the first weights."""
        return self.whole.weights()

    def __str__(self) -> str:
        return f"ragged {self.whole}"


@dataclass(frozen=True)
class Inference(Work):
    """Logits from the last state, at batch 1: of a whole sequence, or of one step that goes on from a kept state."""

    section = "inference"

    kind: str
    time: int
    units: int
    features: int = 32

    #: How many steps are compared where one step is timed: the state must get from one to the next.
    compared_steps: ClassVar[int] = 5

    def data(self) -> np.ndarray:
        """Return x (1, time, features), or the steps (1, compared_steps, features) to be read one by one."""
        rng = np.random.default_rng(0)
        steps = self.compared_steps if self.time == 1 else self.time
        return rng.standard_normal((1, steps, self.features), np.float32)

    def weights(self) -> Weights:
        """Return the weights."""
        return first_weights(self.kind, self.features, self.units)

    def __str__(self) -> str:
        return f"{self.kind}, batch 1, time {self.time}, {self.units} units"


@dataclass(frozen=True)
class Vowels(Work):
    """An epoch of ``lamina train japanese-vowels``: 270 sequences of unequal length, 32 a step."""

    section = "vowels"

    units: ClassVar[int] = 128
    features: ClassVar[int] = 12
    classes: ClassVar[int] = 9
    batch: ClassVar[int] = 32
    label_smoothing: ClassVar[float] = 0.1
    learning_rate: ClassVar[float] = 0.05
    momentum: ClassVar[float] = 0.9
    weight_decay: ClassVar[float] = 0.003
    clip_norm: ClassVar[float] = 1.0
    #: Epochs in a call, as what `Trainer.fit` does before the first one is done once for all of them.
    epochs: ClassVar[int] = 5

    def data(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return standardized features (rows, time, features), labels (rows,) and lengths (rows,)."""
        import lamina

        data = lamina.datasets.japanese_vowels()
        x, lengths = data.x_train, data.lengths_train
        valid = np.arange(x.shape[1]) < lengths[:, None]
        steps = x[valid].astype(np.float64)
        x = np.where(valid[:, :, None], (x - steps.mean(axis=0)) / steps.std(axis=0), 0).astype(np.float32)
        return x, data.y_train, lengths

    def weights(self) -> Weights:
        """Return the first weights."""
        return first_weights("SimpleRNN", self.features, self.units, self.classes)

    def __str__(self) -> str:
        return "epoch of Japanese Vowels"


@dataclass(frozen=True)
class Characters(Work):
    """An epoch of ``examples/language_model.py``: its LSTM reads Python's help, 50 characters of 32 rows a step."""

    section = "characters"

    characters: int | None = None

    units: ClassVar[int] = 256
    vectors: ClassVar[int] = 64
    rows: ClassVar[int] = 32
    steps: ClassVar[int] = 50
    learning_rate: ClassVar[float] = 0.005
    clip_norm: ClassVar[float] = 1.0
    #: Steps of the epoch that is compared: rounding, which training makes grow, stays small.
    compared_steps: ClassVar[int] = 4

    def data(self) -> tuple[np.ndarray, np.ndarray, int]:
        """Return characters (rows, time), the characters that follow them, and how many different ones there are."""
        from pydoc_data import topics

        paragraphs = "\n\n".join(topics.topics.values()).split("\n\n")
        text = "\n\n".join(dict.fromkeys(paragraphs))[: self.characters]
        alphabet, codes = np.unique(list(text), return_inverse=True)
        codes = codes[: len(codes) * 9 // 10]
        used = (len(codes) - 1) // self.rows * self.rows
        x, y = codes[:used].reshape(self.rows, -1), codes[1 : used + 1].reshape(self.rows, -1)
        return x, y, len(alphabet)

    def weights(self, alphabet: int) -> Weights:
        """Return the first weights."""
        table = np.random.default_rng(2).uniform(-0.05, 0.05, (alphabet, self.vectors)).astype(np.float32)
        return {"0.w": table} | first_weights("LSTM", self.vectors, self.units, alphabet, place=1)

    def __str__(self) -> str:
        return "epoch of the language model of characters"


@dataclass(frozen=True)
class Loop(Work):
    """Steps over rows drawn in random order, written out or by ``Trainer.fit``.

    Rivals' steps go over batches that lie ready, in order.
    """

    section = "loop"

    kind: str
    batch: int
    time: int
    features: int
    units: int
    steps: int

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(batch, time, features, units)."""
        return self.batch, self.time, self.features, self.units

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Return x (rows, time, features) and labels (rows,)."""
        return self._of_all_rows().data()

    def weights(self) -> Weights:
        """Return the first weights."""
        return self._of_all_rows().weights()

    def batches(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the data in order, batch by batch."""
        x, y = self.data()
        firsts = range(0, len(x), self.batch)
        return [(x[first : first + self.batch], y[first : first + self.batch]) for first in firsts]

    def _of_all_rows(self) -> Training:
        return Training(self.kind, self.batch * self.steps, self.time, self.features, self.units)

    def __str__(self) -> str:
        return f"loop of {self.steps} steps, {self.kind} {self.shape}"


@dataclass(frozen=True)
class Products(Work):
    """Large square products of float32 matrices, whose best rate others are a share of."""

    section = "products"

    size: int

    @property
    def operations(self) -> int:
        """Floating-point operations."""
        return 2 * self.size**3

    def __str__(self) -> str:
        return f"product of {self.size} x {self.size}"
