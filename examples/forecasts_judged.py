"""Forecasts of sunspots beside what came, in numbers and as a picture: what ``forecast_sunspots.py`` ends with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

__all__ = ["AHEAD", "BAND", "FIRST", "Judged", "judge_naive", "judge_paths", "picture"]

AHEAD = 11  # years to forecast: one cycle
FIRST = 1960  # of the years that are never trained on
BAND = (0.1, 0.9)

GREY, BLUE, ORANGE, QUIET = "#4d4d4d", "#3b6fb6", "#d9722e", "#9a9a9a"
COLORS = {"naive": QUIET, "Lamina": ORANGE, "PyTorch": BLUE}


class Judged:
    """How forecasts compare with what came: errors and how often the band held, by years ahead."""

    def __init__(self, median: np.ndarray, low: np.ndarray, high: np.ndarray, values: np.ndarray, known: int) -> None:
        self.median, self.low, self.high = median, low, high
        self.error, self.held, self.width = np.empty((3, AHEAD))
        for ahead in range(AHEAD):
            came = values[known + ahead :]
            forecast, bottom, top = (each[: len(came), ahead] for each in (median, low, high))
            self.error[ahead] = np.abs(forecast - came).mean()
            self.held[ahead] = ((bottom <= came) & (came <= top)).mean()
            self.width[ahead] = (top - bottom).mean()


def judge_paths(found: np.ndarray, values: np.ndarray, known: int) -> Judged:
    """Judge drawn paths (origins, samples, years)."""
    return Judged(np.median(found, axis=1), *np.quantile(found, BAND, axis=1), values, known)


def judge_naive(values: np.ndarray, known: int) -> Judged:
    """Judge the value of eleven years before, with a band as wide as its errors were in the known years."""
    origins = np.arange(known, len(values))
    repeated = values[origins[:, None] - AHEAD + np.arange(AHEAD)]
    low, high = np.quantile(values[AHEAD:known] - values[: known - AHEAD], BAND)
    return Judged(repeated, np.maximum(repeated + low, 0), repeated + high, values, known)


def picture(path: Path, series: Any, shown: Judged, found: dict[str, list[Judged]]) -> None:
    """Draw five forecasts with their bands, and errors and coverage by years ahead."""
    figure = Figure(figsize=(12, 5.6), layout="constrained", facecolor="white")
    grid = figure.add_gridspec(2, 2, width_ratios=[2, 1])
    left = figure.add_subplot(grid[:, 0])
    years, values = series.years, series.values
    late = years >= 1940
    for origin in range(0, int(years[-1]) - FIRST + 1, AHEAD):
        count = min(AHEAD, int(years[-1]) - FIRST - origin + 1)
        span = np.arange(FIRST + origin, FIRST + origin + count)
        low, median, high = (each[origin, :count] for each in (shown.low, shown.median, shown.high))
        labels = ("80% band", "median") if origin == 0 else (None, None)
        left.fill_between(span, low, high, color=ORANGE, alpha=0.22, linewidth=0, label=labels[0])
        left.plot(span, median, color=ORANGE, linewidth=2.2, label=labels[1])
        left.axvline(FIRST + origin - 0.5, color="#dcdcdc", linewidth=1, zorder=0)
    left.plot(years[late], values[late], color=GREY, linewidth=1.4, marker="o", markersize=3, label="observed")
    left.set(xlabel="year", ylabel="sunspot number (yearly mean)", ylim=(0, 215))
    left.set_title("Forecasts of eleven years, each made at a grey line from the years before it")
    left.legend(frameon=False, ncols=3, loc="upper left")
    for place, (name, text) in enumerate((("error", "mean absolute error"), ("held", "share within the 80% band"))):
        axes = figure.add_subplot(grid[place, 1])
        for label, runs in found.items():
            mean = np.mean([getattr(run, name) for run in runs], axis=0)
            axes.plot(
                range(1, AHEAD + 1), mean, color=COLORS[label], marker="o", markersize=4, linewidth=2, label=label
            )
        axes.set(ylabel=text, ylim=(0, 1.05 if name == "held" else None), xticks=range(1, AHEAD + 1))
        if name == "held":
            axes.axhline(BAND[1] - BAND[0], color="#c0c0c0", linestyle=":", zorder=0)
            axes.set_xlabel("years ahead")
        else:
            axes.legend(frameon=False, loc="lower right")
            axes.set_title(f"All forecasts of {FIRST}-{years[-1]}")
        axes.spines[["top", "right"]].set_visible(False)
    left.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)
