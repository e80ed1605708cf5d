"""A training step of an embedding: its time must follow the rows used, not the rows there are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import lamina
from benchmarks.harness import machine, measure

__all__ = ["main"]

_BATCH, _TIME, _UNITS = 32, 100, 64  # 3,200 ids a step
_ROWS = (1_000, 100_000)


def _step(rows: int, optimizer: str) -> Callable[[], None]:
    model = lamina.Sequential(lamina.layers.Embedding(rows, _UNITS), lamina.layers.Dense(16))
    model.build((None, None), backend="numpy", seed=0)
    ids = np.random.default_rng(0).integers(0, rows, (_BATCH, _TIME))
    dy = np.random.default_rng(1).standard_normal((_BATCH, _TIME, 16), np.float32)
    # A rate so small that thousands of steps stay finite.
    updates = lamina.Optimizer.registry.find(optimizer)(model.parameters(), lr=1e-6)

    def step() -> None:
        updates.zero_grad()
        _, saved = model.forward(ids)
        model.backward(dy, saved)
        updates.step()

    return step


def main() -> None:
    """Print milliseconds a step for both sizes of the table, and their ratio."""
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    print(f"Embedding and Dense, {_BATCH * _TIME:,} ids a step, {_UNITS} units, float32\n")
    for optimizer in ("SGD", "AdaGrad"):
        times = measure({f"{rows:,}": _step(rows, optimizer) for rows in _ROWS})
        few, many = times.values()
        print(
            f"{optimizer:8} {few.median * 1e3:7.3f} ms with {_ROWS[0]:,} rows, {many.median * 1e3:7.3f} ms with "
            f"{_ROWS[1]:,}: ratio {many.ratio_to(few):.2f}"
        )
