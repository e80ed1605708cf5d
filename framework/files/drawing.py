"""Pictures, that of a training run among them; matplotlib is imported when one is drawn."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lamina.errors import ArgumentError, MissingPackageError
from lamina.files import write_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure
__all__ = ["LINE_COLORS", "Panel", "new_figure", "picture_format", "plot_panels", "png", "save_figure", "style_axes"]

# Told apart by people who do not see red and green alike, too (after Okabe & Ito, 2008).
LINE_COLORS = ("#3b6fb6", "#d9722e", "#009e73", "#b3478f", "#56b4e9", "#a6761d", "#5b5b5b")

_FORMATS = ("png", "svg", "pdf")
_TRAINING, _VALIDATION, _QUIET = "#3b6fb6", "#d9722e", "#6b6b6b"


class Panel(NamedTuple):
    """What one panel of a training run's picture shows, one value for each epoch.

    Attributes
    ----------
    name : str
    training : list of float
    validation : list of float or None
        Where there is one, the best is that of the validation data.
    best : tuple of int and float, or None
        The epoch, counted from 1, and the value; None where nothing but NaN was measured.
    """

    name: str
    training: list[float]
    validation: list[float] | None
    best: tuple[int, float] | None


def plot_panels(panels: Sequence[Panel], path: str | Path | None = None) -> Figure:
    """Draw panels side by side over the epochs; see `History.plot`."""
    suffix = picture_format(path)
    if not panels:
        raise ArgumentError("plot: no epoch was completed")
    figure = new_figure(0.6 + 4.6 * len(panels), 3.6)
    from matplotlib.ticker import MaxNLocator

    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        _draw(axes, panel)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    save_figure(figure, path, suffix)
    return figure


def picture_format(path: str | Path | None) -> str:
    """Return the format that a path's suffix names, "" without a path, or raise `ArgumentError`."""
    suffix = "" if path is None else Path(path).suffix.lower().removeprefix(".")
    if path is not None and suffix not in _FORMATS:
        raise ArgumentError(f"plot: expected a path that ends in .png, .svg or .pdf, got {str(path)!r}")
    return suffix


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure, in inches, that needs no display; a notebook shows it where a cell ends with it.

    Raises
    ------
    MissingPackageError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingPackageError(f"plot: matplotlib is not installed; pip install -e '.[plot]' ({error})") from error
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    # A notebook knows how to show a figure only once pyplot is imported, and then does not ask for this.
    vars(figure)["_repr_png_"] = partial(png, figure)
    return figure


def png(figure: Figure) -> bytes:
    """Return a figure as a PNG, as a notebook shows it."""
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return content.getvalue()


def save_figure(figure: Figure, path: str | Path | None, suffix: str) -> None:
    """Write a figure to a file that is whole or not there; nothing without a path."""
    if path is not None:
        content = io.BytesIO()
        figure.savefig(content, format=suffix, dpi=150)
        write_file(path, content.getvalue())


def style_axes(axes: Any, x: str, y: str, formula: bool = True) -> None:
    """Name the axes, and leave a light grid and two spines; without ``formula``, dollar signs in ``y`` are text."""
    axes.set_xlabel(x, fontsize=12)
    axes.set_ylabel(y, fontsize=12, parse_math=formula)
    axes.grid(color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _draw(axes: Any, panel: Panel) -> None:
    """Draw one figure of the training data and of the validation data, and mark the best of the latter."""
    epochs = list(range(1, len(panel.training) + 1))
    # A line through one epoch is no line: a dot shows it.
    marker = "o" if len(epochs) == 1 else ""
    axes.plot(epochs, panel.training, color=_TRAINING, linewidth=2, marker=marker, label="training")
    if panel.validation is not None:
        axes.plot(epochs, panel.validation, color=_VALIDATION, linewidth=2, marker=marker, label="validation")
    if panel.best is not None:
        epoch, value = panel.best
        color = _TRAINING if panel.validation is None else _VALIDATION
        axes.axvline(epoch, color=_QUIET, linewidth=1.2, linestyle=":")
        label = f"best: {value:.4g}, epoch {epoch}"
        axes.plot([epoch], [value], "o", color=color, markersize=8, markeredgecolor="white", label=label, zorder=3)
    style_axes(axes, "epoch", panel.name.replace("_", " "), formula=False)  # a name may be anything
    axes.margins(x=0.03, y=0.08)
    axes.legend(frameon=True, facecolor="white", edgecolor="none", framealpha=0.9, fontsize=9)
