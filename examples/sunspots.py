"""Sunspots: forecast the next eleven years from the past alone, and compare with forecasts that need no network.

Run it with ``python examples/sunspots.py``. It takes a few seconds, prints the errors, and draws ``sunspots.png``
with matplotlib (``pip install -e '.[plot]'``).

The network reads 22 years and forecasts the next one, by a linear layer plus what a GRU adds to it; fed with its own
forecasts, it goes on to eleven. It works on square roots, which make high and low cycles about equally noisy. Its
settings were chosen by forecasting 1871-1900, 1901-1930 and 1931-1959, each from the years before. Then it is trained
on the years to 1959, and forecasts 1960-2008 from the end of every year: for each number of years ahead, the error is
the mean over all forecasts of a year in that span. All methods are judged on the same forecasts. The naive one repeats
the value of eleven years earlier, one cycle ago; AR(9) is the linear autoregression that textbooks use for this
series.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import lamina
from lamina.files import require_writable
from lamina.layers import GRU, Add, Dense, Flatten
from lamina.optimizers import SGD, LinearDecay

AHEAD = 11  # years to forecast: one cycle
PAST = 22  # years to read: two cycles
FIRST = 1960  # of the years that are never trained on

GREY, BLUE, ORANGE, QUIET = "#4d4d4d", "#3b6fb6", "#d9722e", "#9a9a9a"


class NextYear(lamina.Composite):
    """A year as a linear function of those before, plus what a GRU makes of them."""

    def __init__(self, units: int) -> None:
        self.units = units
        self.gru, self.correction = GRU(units), Dense(1)
        self.flat, self.linear, self.both = Flatten(), Dense(1), Add()

    def compose(self, t, x):
        """Return the next year's value: (batch, 1)."""
        return t(self.both, t(self.linear, t(self.flat, x)), t(self.correction, t(self.gru, x)))


def network(roots: np.ndarray, known: int, epochs: int, seed: int) -> np.ndarray:
    """Train on the first ``known`` roots alone, and forecast from the end of each year since: (origins, 11)."""
    mean, deviation = roots[:known].mean(), roots[:known].std()
    z = (roots - mean) / deviation
    windows = np.lib.stride_tricks.sliding_window_view(z[:known], PAST + 1)
    model = NextYear(32)
    model.build((None, PAST, 1), seed=seed)
    optimizer = SGD(model.parameters(), lr=0.02, momentum=0.9, weight_decay=0.001, clip_norm=1.0)
    trainer = lamina.Trainer(model, "mean_squared_error", optimizer, callbacks=LinearDecay(epochs), seed=seed)
    trainer.fit(windows[:, :PAST, None], windows[:, PAST:], epochs=epochs, batch_size=16, verbose=False)
    path = np.lib.stride_tricks.sliding_window_view(z[known - PAST : -1], PAST)
    for _ in range(AHEAD):
        path = np.column_stack([path, trainer.predict(path[:, -PAST:, None])])
    return path[:, PAST:] * deviation + mean


def autoregression(roots: np.ndarray, known: int, order: int = 9) -> np.ndarray:
    """Fit by least squares to the first ``known`` roots, and forecast from the end of each year since."""
    steps = np.lib.stride_tricks.sliding_window_view(roots[:known], order + 1)
    design = np.column_stack([steps[:, :-1], np.ones(len(steps))])
    *weights, constant = np.linalg.lstsq(design, steps[:, -1], rcond=None)[0]
    path = np.lib.stride_tricks.sliding_window_view(roots[known - order : -1], order)
    for _ in range(AHEAD):
        path = np.column_stack([path, path[:, -order:] @ weights + constant])
    return path[:, order:]


def errors(forecasts: np.ndarray, values: np.ndarray, known: int) -> np.ndarray:
    """Return the mean absolute error for each number of years ahead, over the forecasts of known years."""
    return np.array(
        [
            np.abs(forecasts[: len(values) - known - ahead, ahead] - values[known + ahead :]).mean()
            for ahead in range(AHEAD)
        ]
    )


def draw(
    path: Path, series: lamina.datasets.Series, forecasts: dict[str, np.ndarray], found: dict[str, np.ndarray]
) -> None:
    """Draw four of the forecasts, and the errors of all."""
    colors = {"naive": QUIET, "AR(9)": BLUE, "network": ORANGE}
    figure = Figure(figsize=(12, 4.4), layout="constrained", facecolor="white")
    left, right = figure.subplots(1, 2, width_ratios=[2.2, 1])
    years, values = series.years, series.values
    shown = years >= 1940
    left.plot(years[shown], values[shown], color=GREY, linewidth=1.5, marker="o", markersize=3, label="observed")
    for origin in range(0, len(years) - FIRST + int(years[0]), AHEAD):
        for name, style in (("naive", ":"), ("network", "-")):
            ahead = forecasts[name][origin][: len(years) - (FIRST - years[0]) - origin]
            label = (
                {"naive": "naive: eleven years earlier", "network": "network, seed 0"}[name] if origin == 0 else None
            )
            span = np.arange(FIRST + origin, FIRST + origin + len(ahead))
            left.plot(span, ahead, color=colors[name], linestyle=style, linewidth=2.2, label=label)
        left.axvline(FIRST + origin - 0.5, color="#e0e0e0", linewidth=1, zorder=0)
    left.set(xlabel="year", ylabel="sunspot number (yearly mean)", ylim=(0, 225))
    left.set_title("Forecasts of eleven years, each made at a grey line from the years before it")
    left.legend(frameon=False, ncols=3, loc="upper right")

    for name, error in found.items():
        label = f"{name}: mean {error.mean():.1f}"
        right.plot(range(1, AHEAD + 1), error, color=colors[name], marker="o", markersize=4, linewidth=2, label=label)
    right.set(xlabel="years ahead", ylabel="mean absolute error (sunspot number)", ylim=(0, None))
    right.set_xticks(range(1, AHEAD + 1))
    right.set_title(f"Error of all forecasts of {FIRST}-{years[-1]}")
    right.legend(frameon=False, loc="lower right")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Train with several seeds, print the errors and draw them."""
    parser = argparse.ArgumentParser(description="Forecast sunspot numbers eleven years ahead.")
    parser.add_argument("--epochs", type=int, default=40, help="default: %(default)s")
    parser.add_argument("--seeds", type=int, default=5, help="how many networks to train (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the picture (default: this one)")
    arguments = parser.parse_args()
    path = arguments.out / "sunspots.png"
    require_writable(path)  # before the work, not after it

    series = lamina.datasets.sunspots("float64")
    values, known = series.values, FIRST - int(series.years[0])
    roots = np.sqrt(values)
    origins = np.arange(known, len(values))
    naive = values[origins[:, None] - AHEAD + np.arange(AHEAD)]
    runs = [network(roots, known, arguments.epochs, seed) for seed in range(arguments.seeds)]
    runs = [np.square(np.maximum(run, 0)) for run in runs]
    linear = np.square(np.maximum(autoregression(roots, known), 0))

    by_seed = [errors(run, values, known) for run in runs]
    found = {
        "naive": errors(naive, values, known),
        "AR(9)": errors(linear, values, known),
        "network": np.mean(by_seed, axis=0),
    }
    print(f"{series}\nmean absolute error of the forecasts of {FIRST}-{series.years[-1]}, by years ahead\n")
    print(" " * 9 + "".join(f"{ahead:6d}" for ahead in range(1, AHEAD + 1)) + "   mean")
    for name, error in found.items():
        print(f"{name:9}" + "".join(f"{value:6.1f}" for value in error) + f"{error.mean():7.2f}")
    means = [error.mean() for error in by_seed]
    print(f"\nnetwork, seed by seed: {', '.join(f'{mean:.2f}' for mean in means)}")
    print(
        f"the network's error is {1 - found['network'].mean() / found['naive'].mean():.0%} below the naive forecast's"
    )
    draw(path, series, {"naive": naive, "network": runs[0]}, found)
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
