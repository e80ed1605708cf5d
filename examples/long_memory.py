"""The adding problem over 500 steps: the recurrences of today beside an LSTM.

Run it with ``python examples/long_memory.py``. It takes two minutes, prints how each of the learning curves ends, and
draws ``long_memory.png`` with matplotlib (``pip install -e '.[plot]'``).

A row is 500 steps of two features: a number drawn evenly from 0 to 1, and a mark, which is 1 at one step of each half
and 0 elsewhere. The target is the sum of the two marked numbers (Hochreiter & Schmidhuber, 1997). Who answers 1 every
time has a mean squared error of 1/6, the variance of the sum. All networks get the same rows, each of them new, the
same Dense layer before the recurrence, as many units, and the same training but for the learning rate; the error is
measured on 200 rows of their own.

What is kept for long is a matter of where a network starts. Gates begin nearly closed for what enters and open for what
is kept, about 1/50 a step (after Tallec & Ollivier, 2018), the LRU's eigenvalues just below the unit circle, and what
enters the IndRNN, which adds it up, small. The sLSTM needs none of it.
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
from lamina.initializers import Normal, Ring, Side
from lamina.layers import LRU, LSTM, SLSTM, Dense, IndRNN, MinGRU, MinLSTM, ReLU
from lamina.optimizers import Adam, LinearDecay

ROWS, TEST_ROWS = 32, 200
UNITS = 32
VARIANCE = 1 / 6

# A cell of so many units, its learning rate, and its color.
CELLS: dict[str, tuple[Callable[[int], lamina.Layer], float, str]] = {
    "LSTM": (lambda units: LSTM(units, b_initializer=Side([-4.0, 4.0, "zeros", "zeros"])), 0.01, "#6b6b6b"),
    "SLSTM": (SLSTM, 0.01, "#d9722e"),
    "MinGRU": (lambda units: MinGRU(units, b_initializer=Side([-4.0, "zeros"])), 0.01, "#3b6fb6"),
    "MinLSTM": (lambda units: MinLSTM(units, b_initializer=Side([-4.0, "zeros", "zeros"])), 0.01, "#5fa8d3"),
    "LRU": (lambda units: LRU(units, eigenvalues_initializer=Ring(0.99, 0.9999, 0.1)), 0.005, "#3a8f5c"),
    "IndRNN": (lambda units: IndRNN(units, w_x_initializer=Normal(0.01)), 0.005, "#8a5aa8"),
}


def draw_rows(rng: np.random.Generator, rows: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return x (rows, length, 2) and their sums (rows, 1)."""
    numbers, marks = rng.uniform(size=(rows, length)), np.zeros((rows, length))
    for start in (0, length // 2):
        marks[np.arange(rows), rng.integers(start, start + length // 2, rows)] = 1
    return np.stack([numbers, marks], axis=-1).astype("float32"), (numbers * marks).sum(axis=1, keepdims=True)


def learning_curve(
    cell: Callable[[int], lamina.Layer], rate: float, length: int, steps: int, seed: int
) -> list[tuple[int, float]]:
    """Train for that many steps; return (step, test error) every 20 steps."""
    rng, (x_test, y_test) = np.random.default_rng(seed), draw_rows(np.random.default_rng([seed, 1]), TEST_ROWS, length)
    model = lamina.Sequential(Dense(UNITS), ReLU(), cell(UNITS), Dense(1))
    model.build((None, length, 2), seed=seed)
    loss = lamina.losses.MeanSquaredError()
    optimizer = Adam(model.parameters(), lr=rate, clip_norm=1.0)
    schedule = LinearDecay(steps, per="step")
    schedule.attach(optimizer)

    curve = []
    with model.backend.at_work():
        for step in range(1, steps + 1):
            x, y = draw_rows(rng, ROWS, length)
            optimizer.zero_grad()
            prediction, saved = model.forward(x)
            _, loss_saved = loss.forward(prediction, y)
            model.backward(loss.backward(loss_saved), saved, input_gradient=False)
            optimizer.step()
            schedule.advance()
            if step % 20 == 0 or step == steps:
                curve.append((step, float(np.square(model(x_test) - y_test).mean())))
    return curve


def draw(path: Path, curves: dict[str, list[tuple[int, float]]], length: int) -> None:
    """Draw the learning curves."""
    figure = Figure(figsize=(8, 4.8), layout="constrained", facecolor="white")
    axes = figure.subplots()
    axes.axhline(VARIANCE, color="#a0a0a0", linestyle=":", linewidth=1.5, label="always answering 1: 0.167")
    for name, curve in sorted(curves.items(), key=lambda one: -one[1][-1][1]):  # as they lie at the end
        axes.plot(*zip(*curve, strict=True), color=CELLS[name][2], linewidth=2, label=f"{name}: {curve[-1][1]:.2g}")
    axes.set(yscale="log", xlabel=f"training step ({ROWS} rows each)", ylabel="mean squared error on test rows")
    learned = sum(curve[-1][1] < VARIANCE / 10 for curve in curves.values())
    axes.set_title(f"The adding problem over {length} steps: {learned} of {len(curves)} learn it")
    axes.grid(color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5), title="error at the end", alignment="left")
    figure.savefig(path, dpi=150)


def main() -> None:
    """Train all, print how they end, and draw how they got there."""
    parser = argparse.ArgumentParser(description="Train recurrent layers on the adding problem over many steps.")
    parser.add_argument("--length", type=int, default=500, help="steps of a row (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=500, help="training steps of each (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the picture (default: this one)")
    options = parser.parse_args()
    path = options.out / "long_memory.png"
    require_writable(path)

    print(f"{options.length} steps a row; always answering 1 has an error of {VARIANCE:.3f}")
    curves = {}
    for name, (cell, rate, _) in CELLS.items():
        started = time.perf_counter()
        curves[name] = learning_curve(cell, rate, options.length, options.steps, options.seed)
        seconds = time.perf_counter() - started
        step, error = curves[name][-1]
        print(f"{name:8} test error {error:.4f} after {step} steps, {seconds:.0f} s", flush=True)
    draw(path, curves, options.length)
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
