"""How wide an embedding starts: three tasks over integers, three seeds each, under several starts.

The text is that of Python's own help pages; the digits are the package's. Nothing is tuned to a start.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import lamina
from lamina.layers import GRU, Dense, Embedding

__all__ = ["main"]

_STARTS: dict[str, Any] = {
    "uniform 0.05": lamina.initializers.Uniform(0.05),  # Keras's
    "normal 0.1": lamina.initializers.Normal(0.1),
    "normal 0.3": lamina.initializers.Normal(0.3),
    "normal 0.5": lamina.initializers.Normal(0.5),
    "uniform 1": lamina.initializers.Uniform(1.0),
    "normal 1": lamina.initializers.Normal(1.0),  # PyTorch's
}
_SEEDS = (0, 1, 2)
_UNITS, _TIME = 32, 50
_OPTIMIZERS = ("adagrad", "adam")


def _windows(text: str, count: int, seed: int) -> list[str]:
    starts = np.random.default_rng(seed).integers(0, len(text) - _TIME - 1, count)
    return [text[start : start + _TIME + 1] for start in starts]


def _text() -> tuple[str, str]:
    """Return two halves of a text: to learn from, and to be measured on."""
    from pydoc_data.topics import topics

    text = "\n".join(topics[name] for name in sorted(topics)).encode("ascii", "replace").decode()
    return text[: len(text) // 2], text[len(text) // 2 :]


def _ids(lines: list[str]) -> np.ndarray[Any, Any]:
    return np.array([[min(ord(letter), 127) for letter in line] for line in lines])


def next_character(seed: int) -> tuple[Any, Any, str, int, int]:
    """Which character comes next: bits a character."""
    parts = [_ids(_windows(text, count, seed)) for text, count in zip(_text(), (1500, 300), strict=True)]
    train, test = ((one[:, :-1], one[:, 1:]) for one in parts)
    return train, test, "bits a character", 128, 128


def capitals(seed: int) -> tuple[Any, Any, str, int, int]:
    """Which letters of a text in small letters were capitals: bits a hundred characters."""
    parts = [_windows(text, count, seed) for text, count in zip(_text(), (1500, 300), strict=True)]
    train, test = (
        (_ids([line.lower() for line in part]), np.array([[letter.isupper() for letter in line] for line in part]) * 1)
        for part in parts
    )
    return train, test, "bits a hundred characters", 128, 2


def digits(seed: int) -> tuple[Any, Any, str, int, int]:
    """Which digit an image is, read pixel by pixel as one of 17 greys: errors in a hundred."""
    from sklearn.datasets import load_digits

    found = load_digits()
    order = np.random.default_rng(seed).permutation(len(found.target))
    x, y = found.data.astype(int)[order], found.target[order]
    return (x[:1300], y[:1300]), (x[1300:], y[1300:]), "errors in a hundred", 17, 10


_TASKS = {"next character": (next_character, 16), "capitals": (capitals, 12), "digits": (digits, 16)}


def measured(task: str, start: Any, optimizer: str, seed: int) -> float:
    """Return how far off a model is after training; less is better."""
    make, epochs = _TASKS[task]
    train, test, unit, rows, classes = make(seed)
    each_step = train[1].ndim == 2
    model = lamina.Sequential(
        Embedding(rows, _UNITS, w_initializer=start), GRU(_UNITS * 2, return_sequences=each_step), Dense(classes)
    )
    rate = {"adam": lambda parameters: lamina.optimizers.Adam(parameters, lr=0.003), "adagrad": "adagrad"}[optimizer]
    trainer = lamina.Trainer(model, optimizer=rate, metrics="accuracy", seed=seed)
    trainer.fit(*train, epochs=epochs, batch_size=32, verbose=False)
    found = trainer.evaluate(*test)
    if unit.startswith("errors"):
        return 100 * (1 - found["accuracy"])
    return found["loss"] / math.log(2) * (100 if "hundred" in unit else 1)


def main() -> None:
    """Print each task's mean and range over the seeds, by start and optimizer."""
    for optimizer in _OPTIMIZERS:
        for task, (make, epochs) in _TASKS.items():
            print(f"\n{task}, {make(0)[2]}, {optimizer}, {epochs} epochs: mean (least to most of {len(_SEEDS)} seeds)")
            for name, start in _STARTS.items():
                found = [measured(task, start, optimizer, seed) for seed in _SEEDS]
                print(f"  {name:14} {np.mean(found):7.3f}  ({min(found):.3f} to {max(found):.3f})", flush=True)


if __name__ == "__main__":
    main()
