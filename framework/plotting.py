"""The picture of a training run; matplotlib is imported when one is drawn."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamina.errors import ArgumentError, LaminaError
from lamina.files import write_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lamina.history import History

__all__ = ["MissingPackageError", "plot"]

_FORMATS = ("png", "svg", "pdf")
_TRAINING, _VALIDATION, _QUIET = "#3b6fb6", "#d9722e", "#6b6b6b"


class MissingPackageError(LaminaError, ImportError):
    """A package that only this needs is not installed; the message says what to install."""


def plot(history: History, path: str | Path | None = None) -> Figure:
    """Draw a panel for the loss and one for each metric; see `History.plot`."""
    suffix = "" if path is None else Path(path).suffix.lower().removeprefix(".")
    if path is not None and suffix not in _FORMATS:
        raise ArgumentError(f"plot: expected a path that ends in .png, .svg or .pdf, got {str(path)!r}")
    if not len(history):
        raise ArgumentError("plot: no epoch was completed")
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ImportError as error:
        raise MissingPackageError(f"plot: matplotlib is not installed; pip install 'lamina[plot]' ({error})") from error
    panels = [key for key in history if key in history.higher_is_better and not key.startswith("val_")]
    figure = Figure(figsize=(0.6 + 4.6 * len(panels), 3.6), layout="constrained", facecolor="white")
    for axes, key in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        _draw(axes, history, key)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    if path is not None:
        content = io.BytesIO()
        figure.savefig(content, format=suffix, dpi=150)
        write_file(path, content.getvalue())
    return figure


def _draw(axes: Any, history: History, key: str) -> None:
    """Draw one figure of the training data and of the validation data, and mark the best of the latter."""
    # A line through one epoch is no line: a dot shows it.
    marker = "o" if len(history) == 1 else ""
    judged = key
    axes.plot(history.epochs, history[key], color=_TRAINING, linewidth=2, marker=marker, label="training")
    if f"val_{key}" in history:
        judged = f"val_{key}"
        axes.plot(history.epochs, history[judged], color=_VALIDATION, linewidth=2, marker=marker, label="validation")
    try:
        best = history.best(judged)
    except ArgumentError:  # nothing but NaN
        best = None
    if best is not None:
        color = _TRAINING if judged == key else _VALIDATION
        axes.axvline(best.epoch, color=_QUIET, linewidth=1.2, linestyle=":")
        label = f"best: {best.value:.4g}, epoch {best.epoch}"
        axes.plot(
            [best.epoch], [best.value], "o", color=color, markersize=8, markeredgecolor="white", label=label, zorder=3
        )
    axes.set_xlabel("epoch", fontsize=12)
    axes.set_ylabel(key.replace("_", " "), fontsize=12)
    axes.grid(color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.03, y=0.08)
    axes.legend(frameon=True, facecolor="white", edgecolor="none", framealpha=0.9, fontsize=9)
