"""The adding problem: what a SimpleRNN forgets over a hundred steps, an LSTM keeps.

Run it with ``python examples/adding_problem.py``. It takes half a minute, prints both learning curves' ends, and
draws ``adding_problem.png`` with matplotlib (``pip install -e '.[plot]'``).

A row is 100 steps of two features: a number drawn evenly from 0 to 1, and a mark, which is 1 at one step of each half
and 0 elsewhere. The target is the sum of the two marked numbers (Hochreiter & Schmidhuber, 1997). Who answers 1 every
time has a mean squared error of 1/6, the variance of the sum. Both networks get the same rows, each of them new, and
the same training; the error is measured on 1000 rows of their own.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import lamina
from lamina.files import require_writable
from lamina.layers import LSTM, Dense, SimpleRNN
from lamina.optimizers import Adam, LinearDecay

LENGTH = 100
ROWS = 32
VARIANCE = 1 / 6

COLORS = {"SimpleRNN": "#3b6fb6", "LSTM": "#d9722e"}


def draw_rows(rng: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return x (rows, 100, 2) and their sums (rows, 1)."""
    numbers, marks = rng.uniform(size=(rows, LENGTH)), np.zeros((rows, LENGTH))
    for start in (0, LENGTH // 2):
        marks[np.arange(rows), rng.integers(start, start + LENGTH // 2, rows)] = 1
    return np.stack([numbers, marks], axis=-1).astype("float32"), (numbers * marks).sum(axis=1, keepdims=True)


def learning_curve(cell: Callable[[int], lamina.Layer], steps: int, seed: int) -> list[tuple[int, float]]:
    """Train for that many steps; return (step, test error) every 50 steps."""
    rng, (x_test, y_test) = np.random.default_rng(seed), draw_rows(np.random.default_rng([seed, 1]), 1000)
    model = lamina.Sequential(cell(64), Dense(1))
    model.build((None, LENGTH, 2), seed=seed)
    loss = lamina.losses.MeanSquaredError()
    optimizer = Adam(model.parameters(), lr=0.01, clip_norm=1.0)
    schedule = LinearDecay(steps, per="step")
    schedule.attach(optimizer)

    curve = []
    for step in range(1, steps + 1):
        x, y = draw_rows(rng, ROWS)
        optimizer.zero_grad()
        prediction, saved = model.forward(x)
        _, loss_saved = loss.forward(prediction, y)
        model.backward(loss.backward(loss_saved), saved)
        optimizer.step()
        schedule.advance()
        if step % 50 == 0 or step == steps:
            curve.append((step, float(np.square(model(x_test) - y_test).mean())))
    return curve


def draw(path: Path, curves: dict[str, list[tuple[int, float]]]) -> None:
    """Draw the learning curves."""
    figure = Figure(figsize=(7.5, 4.4), layout="constrained", facecolor="white")
    axes = figure.subplots()
    axes.axhline(VARIANCE, color="#6b6b6b", linestyle=":", linewidth=1.5, label="always answering 1: 0.167")
    for name, curve in curves.items():
        label = f"{name}: {curve[-1][1]:.2g} at the end"
        axes.plot(*zip(*curve, strict=True), color=COLORS[name], linewidth=2, label=label)
    axes.set(yscale="log", xlabel=f"training step ({ROWS} rows each)", ylabel="mean squared error on test rows")
    learned = " and ".join(name for name, curve in curves.items() if curve[-1][1] < VARIANCE / 10) or "none"
    axes.set_title(f"The adding problem over {LENGTH} steps, learned by: {learned}")
    axes.grid(color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Train both, print how they end, and draw how they got there."""
    parser = argparse.ArgumentParser(description="Train a SimpleRNN and an LSTM on the adding problem.")
    parser.add_argument("--steps", type=int, default=2000, help="training steps of each (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the picture (default: this one)")
    arguments = parser.parse_args()
    path = arguments.out / "adding_problem.png"
    require_writable(path)  # before the work, not after it

    print(f"the adding problem over {LENGTH} steps; always answering 1 has an error of {VARIANCE:.3f}")
    curves = {}
    for cell in (SimpleRNN, LSTM):
        started = time.perf_counter()
        curves[cell.__name__] = learning_curve(cell, arguments.steps, arguments.seed)
        step, error = curves[cell.__name__][-1]
        seconds = time.perf_counter() - started
        print(f"{cell.__name__:10} test error {error:.4f} after {step} steps, {seconds:.0f} s")
    draw(path, curves)
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
