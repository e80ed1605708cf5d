"""What batches of rows of like length gain: `Trainer.fit(bucket=True)` beside batches by chance, in turns.

    python -m benchmarks buckets

The seconds of an epoch are the least of several; loss and accuracy are those after all epochs, means over seeds.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import lamina
from benchmarks.harness import machine
from lamina.layers import GRU, LSTM, Dense

__all__ = ["main"]

_SEEDS = 3


def _vowels() -> tuple[Any, ...]:
    data = lamina.datasets.load("japanese-vowels")
    return (data.x_train, data.y_train, data.lengths_train), (data.x_test, data.y_test, data.lengths_test), 9, 15


def _long() -> tuple[Any, ...]:
    """Return rows of 5 to 500 steps, and whether the sum of the first feature is above 0."""
    rng = np.random.default_rng(0)

    def make(rows: int) -> tuple[Any, ...]:
        lengths = rng.integers(5, 501, rows)
        x = rng.normal(size=(rows, 500, 16)).astype(np.float32)
        x *= (np.arange(500) < lengths[:, None])[..., None]
        return x, (x[..., 0].sum(axis=1) > 0).astype(int), lengths

    return make(512), make(256), 2, 4


def _compare(name: str, data: tuple[Any, ...], layer: Callable[[int], lamina.Layer], units: int, batch: int) -> None:
    (x, y, lengths), (x_test, y_test, test_lengths), classes, epochs = data
    seconds: dict[bool, list[float]] = {False: [], True: []}
    figures: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    for seed in range(_SEEDS):
        trainers = {}
        for bucket in (False, True):
            model = lamina.Sequential(layer(units), Dense(classes))
            trainers[bucket] = lamina.Trainer(model, optimizer="adam", metrics="accuracy", seed=seed)
        for _ in range(epochs):
            for bucket, trainer in trainers.items():  # in turns, so that both meet the same load
                began = time.thread_time()
                trainer.fit(x, y, lengths=lengths, epochs=1, batch_size=batch, bucket=bucket, verbose=False)
                seconds[bucket].append(time.thread_time() - began)
        for bucket, trainer in trainers.items():
            found = trainer.evaluate(x_test, y_test, lengths=test_lengths)
            figures[bucket].append((found["loss"], found["accuracy"]))
    plain, bucketed = (min(seconds[bucket]) for bucket in (False, True))
    told = [tuple(statistics.mean(column) for column in zip(*figures[bucket], strict=True)) for bucket in (False, True)]
    print(
        f"{name:34}{plain:9.3f}{bucketed:10.3f}{plain / bucketed:8.2f}"
        f"     {told[0][0]:.3f} {told[0][1]:5.1%}   {told[1][0]:.3f} {told[1][1]:5.1%}",
        flush=True,
    )


def main() -> None:
    """Measure, and print a table."""
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    print("\n                                  seconds an epoch               test loss, accuracy")
    print("data, layer, rows a batch         by chance  bucketed  gain   by chance      bucketed")
    for batch in (16, 32):
        _compare(f"vowels, GRU(32), {batch}", _vowels(), GRU, 32, batch)
    for batch in (16, 32):
        _compare(f"5 to 500 steps, LSTM(64), {batch}", _long(), LSTM, 64, batch)


if __name__ == "__main__":
    main()
