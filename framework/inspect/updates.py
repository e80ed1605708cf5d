"""How fast the weights move while a model trains."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamina.backends import Array
from lamina.core.arguments import whole
from lamina.errors import ArgumentError
from lamina.files.html import picture, table
from lamina.train.callback import Callback, Training

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lamina.core.parameter import Parameter

__all__ = ["UpdateRatios"]


class UpdateRatios(Callback):
    """Measures |update| / |weights| of each parameter: the norm of what a step changes over the norm before it.

    About 0.001 is a common rule of thumb; far more, and training is restless, far less, and it stands still.

    Parameters
    ----------
    every : int
        Only the first of so many steps is measured, as each costs a copy of the weights.

    Attributes
    ----------
    ratios : dict of str to list of float
        By the parameter's path: for each epoch the mean over the steps measured. A step from weights that are
        all 0, as a bias is at first, does not count; NaN where none did.

    Raises
    ------
    ArgumentError
        If ``every`` is not a positive whole number.

    Examples
    --------
    >>> import lamina
    >>> import numpy as np
    >>> model = lamina.Sequential(lamina.layers.SimpleRNN(8), lamina.layers.Dense(2))
    >>> ratios = UpdateRatios(every=1)
    >>> trainer = lamina.Trainer(model, callbacks=ratios)
    >>> history = trainer.fit(np.ones((8, 5, 3)), np.zeros(8, int), epochs=2, verbose=False)
    >>> len(ratios.ratios["0.w_h"])
    2
    """

    def __init__(self, every: int = 10) -> None:
        self.every = whole("UpdateRatios", "every", every)
        self.ratios: dict[str, list[float]] = {}
        self._parameters: dict[str, Parameter] = {}
        self._before: dict[str, Array] = {}
        self._sums: dict[str, list[float]] = {}

    def on_train_begin(self, trainer: Training) -> None:
        """Forget an earlier run."""
        named = trainer.model.named_parameters()
        self._parameters = {name: one for name, one in named.items() if one.trainable}
        self.ratios = {name: [] for name in self._parameters}

    def on_epoch_begin(self, trainer: Training, epoch: int) -> None:
        """Keep the weights before the epoch's first step."""
        self._sums = {name: [] for name in self._parameters}
        self._keep()

    def on_step_end(self, trainer: Training, epoch: int, step: int, loss: Array) -> None:
        """Measure the step if it is its turn, and keep the weights before the next one that is."""
        if self._before:
            for name, parameter in self._parameters.items():
                backend, before = parameter.backend, self._before[name]
                size = _norm(backend, before)
                if size:
                    self._sums[name].append(_norm(backend, parameter.data - before) / size)
            self._before = {}
        if step % self.every == 0:
            self._keep()

    def on_epoch_end(self, trainer: Training, epoch: int, values: dict[str, float]) -> None:
        """Note the epoch's means."""
        for name, found in self._sums.items():
            self.ratios[name].append(sum(found) / len(found) if found else float("nan"))
        self._before = {}

    def plot(self, path: str | Path | None = None) -> Figure:
        """Draw the ratios over the epochs, a line for each parameter, on a logarithmic scale.

        Parameters
        ----------
        path : str or Path, optional
            Where to save the picture: its suffix, png, svg or pdf, is the format.

        Returns
        -------
        matplotlib Figure

        Raises
        ------
        MissingPackageError, OutputError
        ArgumentError
            If no epoch was completed, or the suffix is no picture's.
        """
        from lamina.files.drawing import LINE_COLORS, new_figure, picture_format, save_figure, style_axes

        suffix = picture_format(path)
        epochs = max(map(len, self.ratios.values()), default=0)
        if not epochs:
            raise ArgumentError("plot: no epoch was completed")
        figure = new_figure(7.6, 3.8)
        axes: Any = figure.subplots()
        owners = list(dict.fromkeys(name.rpartition(".")[0] for name in self.ratios))
        styles = ("-", "--", ":", "-.")
        drawn: dict[str, int] = {}
        for name, values in self.ratios.items():
            owner = name.rpartition(".")[0]  # a colour for each layer, a stroke for each of its parameters
            place = drawn[owner] = drawn.get(owner, -1) + 1
            color = LINE_COLORS[owners.index(owner) % len(LINE_COLORS)]
            shown = [value if value > 0 else float("nan") for value in values]
            axes.plot(
                range(1, epochs + 1),
                shown,
                color=color,
                linestyle=styles[place % len(styles)],
                linewidth=2,
                marker="o" if epochs == 1 else "",
                label=name,
            )
        axes.set_yscale("log")
        axes.axhline(1e-3, color="#6b6b6b", linewidth=1.2, linestyle=":", zorder=1)
        style_axes(axes, "epoch", "|update| / |weights|")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.margins(x=0.03, y=0.1)
        axes.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
        save_figure(figure, path, suffix)
        return figure

    def _repr_html_(self) -> str | None:
        if not any(self.ratios.values()):
            return None
        rows = [(name, f"{values[0]:.1e}", f"{values[-1]:.1e}") for name, values in self.ratios.items()]
        shown = table(("parameter", "first epoch", "last epoch"), rows, "lrr", caption="|update| / |weights|")
        return shown + picture(self.plot, "updates over weights by epoch, a line for each parameter")

    def _keep(self) -> None:
        self._before = {name: one.backend.copy(one.data) for name, one in self._parameters.items()}


def _norm(backend: Any, array: Array) -> float:
    xp = backend.xp
    return float(backend.item(xp.sqrt(xp.sum(array * array))))
