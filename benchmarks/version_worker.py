"""One version of Lamina, for `versions`: reads a case's name, runs its training steps, writes the seconds of one.

It uses what every version has, and runs by itself, under the interpreter of the version that it is to time.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import lamina
from lamina import layers

__all__ = ["CASES"]

_SECONDS = 0.04
_SHAPES = ((2, 3, 2, 4), (32, 8, 8, 32), (32, 28, 28, 64))


def _recurrent(name: str, units: int) -> Any:
    return getattr(layers, name)(units, return_sequences=True)


def _models(units: int, features: int) -> dict[str, Any]:
    joined = lamina.Concat(_recurrent("SimpleRNN", units), _recurrent("GRU", units))
    residual = lamina.Sequential(layers.Dense(units), lamina.Residual(_recurrent("SimpleRNN", units)))
    return {
        "SimpleRNN": _recurrent("SimpleRNN", units),
        "GRU": _recurrent("GRU", units),
        "LSTM": _recurrent("LSTM", units),
        "Bidirectional": lamina.Bidirectional(_recurrent("SimpleRNN", units)),
        "Bidirectional-multiply": lamina.Bidirectional(_recurrent("LSTM", units), merge="multiply"),
        "Residual": residual,
        "Concat": joined,
    }


def _by_hand(first: Any, batch: int, time_steps: int, features: int, ragged: bool) -> Callable[[], object]:
    """Return a training step written out."""
    model = lamina.Sequential(first, layers.LastStep(), layers.Dense(5))
    model.build((None, None, features), seed=0)
    loss = lamina.losses.SoftmaxCrossEntropy()
    optimizer = lamina.optimizers.AdaGrad(model.parameters(), lr=0.01)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, time_steps, features)).astype("float32")
    y = rng.integers(0, 5, batch)
    options: dict[str, Any] = {}
    if ragged:
        options["lengths"] = rng.integers(1, time_steps + 1, batch)

    def step() -> None:
        optimizer.zero_grad()
        logits, saved = model.forward(x, **options)
        _, loss_saved = loss.forward(logits, y)
        model.backward(loss.backward(loss_saved), saved, input_gradient=False)
        optimizer.step()

    return step


def _by_trainer(first: Any, batch: int, time_steps: int, features: int) -> Callable[[], object]:
    """Return an epoch of eight batches by the trainer; its time is told for one of them."""
    model = lamina.Sequential(first, layers.LastStep(), layers.Dense(5))
    rng = np.random.default_rng(0)
    x = rng.standard_normal((8 * batch, time_steps, features)).astype("float32")
    y, lengths = rng.integers(0, 5, 8 * batch), rng.integers(1, time_steps + 1, 8 * batch)
    trainer = lamina.Trainer(model, "softmax_cross_entropy", "adagrad", metrics=["accuracy"])
    return lambda: trainer.fit(x, y, lengths=lengths, epochs=1, batch_size=batch, verbose=False)


def _cases() -> dict[str, tuple[Callable[[], object], int]]:
    cases: dict[str, tuple[Callable[[], object], int]] = {}
    for batch, steps, features, units in _SHAPES:
        shape = f"({batch},{steps},{features},{units})"
        for name, model in _models(units, features).items():
            cases[f"{name}{shape}"] = _by_hand(model, batch, steps, features, False), 1
        ragged = _recurrent("SimpleRNN", units)
        cases[f"SimpleRNN-ragged{shape}"] = _by_hand(ragged, batch, steps, features, True), 1
        cases[f"Trainer-ragged{shape}"] = _by_trainer(_recurrent("SimpleRNN", units), batch, steps, features), 8
    return cases


CASES = _cases()


def _time(call: Callable[[], object], count: int) -> float:
    """Return the seconds of one step, over about as long as `_SECONDS`."""
    call()
    start = time.perf_counter()
    number = 0
    while (passed := time.perf_counter() - start) < _SECONDS:
        call()
        number += 1
    return passed / number / count


def main() -> None:
    """Answer until there is nothing more to read."""
    print(*CASES, flush=True)
    for line in sys.stdin:
        print(_time(*CASES[line.strip()]), flush=True)


if __name__ == "__main__":
    main()
