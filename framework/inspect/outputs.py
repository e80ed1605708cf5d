"""Activations: what each layer puts out."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from lamina.compose.sequential import Sequential
from lamina.compose.watched import watched
from lamina.core.arguments import whole
from lamina.core.layer import Layer
from lamina.core.lengths import lengths_after
from lamina.core.shapes import Lengths, show
from lamina.errors import ArgumentError
from lamina.files.html import picture, table
from lamina.files.numbers import figure
from lamina.inspect.batch import as_batch, free_name, unknown_layer
from lamina.inspect.cells import cell_paths

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Activations", "activations"]

NumpyArray: TypeAlias = np.ndarray[Any, Any]

# Of how many layers a notebook shows pictures.
_DRAWN = 8


class Activations:
    """Each layer's output, on the host: ``found["0"]`` is one, (batch, time, units) or (batch, units).

    Attributes
    ----------
    values : dict of str to ndarray
        By the layer's path, in the order in which they came. Of several outputs, the first.
    labels : dict of str to str
        The layers' classes.
    lengths : dict of str to (batch,) int64 or None
        The valid steps of each output.
    """

    def __init__(
        self, values: dict[str, NumpyArray], labels: dict[str, str], lengths: dict[str, Lengths | None]
    ) -> None:
        self.values = values
        self.labels = labels
        self.lengths = lengths

    def __getitem__(self, name: str) -> NumpyArray:
        """Return a layer's output."""
        if name not in self.values:
            raise unknown_layer(name, self.values)
        return self.values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values)

    def __len__(self) -> int:
        return len(self.values)

    def plot(self, path: str | Path | None = None, *, row: int = 0, layers: Collection[str] | None = None) -> Figure:
        """Draw one row's outputs as heat maps, a panel for each layer: time from left to right, units upwards.

        Parameters
        ----------
        path : str or Path, optional
            Where to save the picture: its suffix, png, svg or pdf, is the format.
        row : int
            Which row of the batch; its padding is left out.
        layers : collection of str, optional
            Whose panels; all of them if not given.

        Returns
        -------
        matplotlib Figure

        Raises
        ------
        MissingPackageError, OutputError
        ArgumentError
            If there is no such row or layer, or the suffix is no picture's.
        """
        from lamina.files.drawing import new_figure, picture_format, save_figure

        suffix = picture_format(path)
        names = list(self.values if layers is None else layers)
        if not names:
            raise ArgumentError("plot: expected at least one layer")
        row = whole("plot", "row", row, least=0)
        if row >= len(self[names[0]]):
            raise ArgumentError(f"plot: expected a row from 0 to {len(self[names[0]]) - 1}, got {row}")
        panels = [self._panel(name, row) for name in names]
        heights = [2.0 if timed else 0.9 for _, timed in panels]
        figure = new_figure(7.6, sum(heights) + 0.5)
        axes = figure.subplots(len(names), 1, squeeze=False, height_ratios=heights)[:, 0]
        for own, name, (values, timed) in zip(axes, names, panels, strict=True):
            _draw(figure, own, values, timed)
            kind = self.labels[name]
            own.set_title(f"{name} {kind}" if name != kind else kind, loc="left", fontsize=10)
        save_figure(figure, path, suffix)
        return figure

    def _panel(self, name: str, row: int) -> tuple[NumpyArray, bool]:
        """Return what a panel shows, (units, time) or (1, units), and whether it has a time axis."""
        values, lengths = self[name][row], self.lengths[name]
        if values.ndim < 2:
            return values.reshape(1, -1), False
        values = values.reshape(len(values), math.prod(values.shape[1:]))  # there may be no steps
        return (values if lengths is None else values[: lengths[row]]).T, True

    def _repr_html_(self) -> str:
        rows = []
        for name, values in self.values.items():
            spread = (values.mean(), values.std(), values.min(), values.max()) if values.size else ()
            numbers = [figure(float(one)) for one in spread] or [""] * 4
            rows.append((name, self.labels[name], show(values.shape), *numbers))
        head = ("layer", "class", "shape", "mean", "deviation", "least", "largest")
        shown = table(head, rows, "lllrrrr", caption="activations")
        drawn = list(self.values)[:_DRAWN]
        if not drawn:
            return shown
        return shown + picture(lambda: self.plot(layers=drawn), "the first row's activations, a panel for each layer")

    def __repr__(self) -> str:
        return f"<Activations of {', '.join(self.values)}>"


def activations(model: Layer, x: Any, *, lengths: Any = None) -> Activations:
    """Return what each layer of a model puts out, in inference.

    Parameters
    ----------
    model : Layer
        Built; it stays as it is.
    x, lengths : as for `Trainer.predict`
        Taken as one batch.

    Returns
    -------
    Activations
        Of all layers but a `Sequential`, whose output is its last layer's, and the cells of recurrent layers.

    Raises
    ------
    NotBuiltError, ShapeError, DTypeError, DataError, ArgumentError

    Examples
    --------
    >>> import lamina
    >>> model = lamina.Sequential(lamina.layers.GRU(4, return_sequences=True), lamina.layers.Dense(2))
    >>> model.build((None, None, 3), seed=0)
    (None, None, 2)
    >>> found = activations(model, np.ones((5, 6, 3)))
    >>> {name: found[name].shape for name in found}
    {'0': (5, 6, 4), '1': (5, 6, 2)}
    """
    batch = as_batch(model, x, lengths=lengths)
    values: dict[str, NumpyArray] = {}
    labels: dict[str, str] = {}
    after: dict[str, Lengths | None] = {}
    cells = cell_paths(model)

    def note(layer: Layer, y: Any, lengths: Lengths | None) -> None:
        if isinstance(layer, Sequential) or layer.path in cells:
            return
        name = free_name(layer, values)
        first = y[0] if isinstance(y, tuple) else y
        values[name], labels[name] = np.array(layer.backend.to_numpy(first)), type(layer).__name__
        own = lengths_after(layer, lengths)
        own = own[0] if isinstance(own, tuple) else own
        after[name] = own if first.ndim > 2 else None

    # A layer's inference may be its forward, or a container's the forward of its layers: each call counts once.
    running: list[Layer] = []

    def infer(layer: Layer, method: Any, *inputs: Any, **options: Any) -> Any:
        running.append(layer)
        y = method(*inputs, **options)
        running.pop()
        note(layer, y, options.get("lengths"))
        return y

    def forward(layer: Layer, method: Any, *inputs: Any, **options: Any) -> Any:
        result = method(*inputs, **options)
        if not running or running[-1] is not layer:
            note(layer, result[0], options.get("lengths"))
        return result

    watched(model, infer=infer, forward=forward).infer(*batch.inputs, **batch.options)
    return Activations(values, labels, after)


def _draw(figure: Any, axes: Any, values: NumpyArray, timed: bool) -> None:
    """Draw one heat map: white is 0, and blue to red where there are both signs."""
    if not values.size:
        axes.text(0.5, 0.5, "no steps", ha="center", va="center", transform=axes.transAxes, fontsize=9)
        axes.set_axis_off()
        return
    largest = float(np.abs(values).max(initial=0.0)) or 1.0
    signed = bool((values < 0).any())
    image = axes.imshow(
        values,
        aspect="auto",
        origin="lower",
        interpolation="nearest",
        cmap="RdBu_r" if signed else "Reds",
        vmin=-largest if signed else 0.0,
        vmax=largest,
    )
    axes.set_xlabel("time step" if timed else "unit", fontsize=9)
    axes.set_ylabel("unit" if timed else "", fontsize=9)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.tick_params(labelsize=8)
    if not timed:
        axes.set_yticks([])
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axes, pad=0.01, fraction=0.04)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8)
    bar.ax.locator_params(nbins=3)
