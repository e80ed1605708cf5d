"""What a training run recorded, epoch by epoch."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lamina.errors import ArgumentError, CheckpointError, unknown
from lamina.files import write_file
from lamina.files.numbers import figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lamina.data.goals import Goal

__all__ = ["Best", "History", "csv_header", "csv_table", "figures_of", "numbers_of"]


class Best(NamedTuple):
    """The best value of a figure, and the epoch, counted from 1, in which it was reached."""

    epoch: int
    value: float


class History:
    """The figures of each epoch that was completed.

    ``history["loss"]`` is a list with a number for each epoch; so are the metrics by name, ``val_loss`` and
    ``val_...`` where there was validation data, ``learning_rate`` and ``seconds``. ``len(history)`` is the
    number of epochs. Metrics whose result is an array, such as `ConfusionMatrix`, stand apart, in ``arrays``: what
    shows, compares, draws or writes figures is of numbers alone.

    Parameters
    ----------
    higher_is_better : mapping of str to bool, optional
        For each figure of which one value is better than another.
    class_names : sequence of names, or a dict of them by output, optional
        What a notebook calls the classes, beside the table and the picture of the epochs.

    Attributes
    ----------
    interrupted : bool
        Whether Ctrl-C was pressed. The epoch that was cut short is not recorded: its means would be over fewer
        rows than the others'.
    arrays : dict of str to list of ndarray
        An array for each epoch, by the metric's name, ``val_`` in front for validation data.

    Examples
    --------
    >>> history = History({"loss": False})
    >>> for loss in (0.9, 0.4, 0.5):
    ...     history.add({"loss": loss})
    >>> history["loss"], len(history), history.best("loss")
    ([0.9, 0.4, 0.5], 3, Best(epoch=2, value=0.4))
    """

    def __init__(self, higher_is_better: Mapping[str, bool] | None = None, class_names: Any = None) -> None:
        self.higher_is_better = dict(higher_is_better or {})
        self.class_names = class_names
        self.interrupted = False
        self.arrays: dict[str, list[np.ndarray[Any, Any]]] = {}
        self._values: dict[str, list[float]] = {}

    def add(self, values: Mapping[str, Any]) -> None:
        """Record one epoch: numbers, and arrays.

        Raises
        ------
        ArgumentError
            If the figures are others than those of the epochs before.
        """
        known = [*self._values, *self.arrays]
        if known and set(values) != set(known):
            raise ArgumentError(f"history: expected {', '.join(known)}, got {', '.join(values)}")
        numbers = numbers_of(values)
        for key, value in values.items():
            if key in numbers:
                self._values.setdefault(key, []).append(float(value))
            else:
                self.arrays.setdefault(key, []).append(value)

    def __getitem__(self, key: str) -> list[float]:
        """Return a figure's values, one for each epoch."""
        if key in self.arrays:
            raise ArgumentError(f"history: {key} is an array in each epoch: see history.arrays[{key!r}]")
        if key not in self._values:
            raise unknown("figure of the history", key, self._values)
        return list(self._values[key])

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self.epochs)

    def keys(self) -> tuple[str, ...]:
        """Return the names of the figures."""
        return tuple(self._values)

    @property
    def epochs(self) -> list[int]:
        """The numbers of the epochs, from 1."""
        return list(range(1, len(next(iter(self._values.values()), [])) + 1))

    @property
    def last(self) -> dict[str, float]:
        """The last epoch's figures; none before there is one."""
        return {key: values[-1] for key, values in self._values.items()}

    def best(self, key: str) -> Best:
        """Return the best value of a figure and the first epoch that reached it; NaN does not count.

        Raises
        ------
        UnknownNameError
            If there is no such figure, or none of its values is better than another.
        ArgumentError
            If no epoch has a value.
        """
        known = [name for name in self._values if name in self.higher_is_better]
        if not self._values:
            raise ArgumentError("history: no epoch was completed")
        if key not in known:
            raise unknown("figure of the history", key, known)
        pairs = zip(self.epochs, self._values[key], strict=True)
        found = [Best(epoch, value) for epoch, value in pairs if not math.isnan(value)]
        if not found:
            raise ArgumentError(f"history: {key} is NaN in every epoch")
        sign = -1 if self.higher_is_better[key] else 1
        return min(found, key=lambda best: sign * best.value)

    def state_dict(self) -> dict[str, Any]:
        """Return all that was recorded: ``"values"``, (epochs,) arrays by name, and ``"arrays"``, lists of them."""
        return {
            "values": {key: np.array(values, np.float64) for key, values in self._values.items()},
            "arrays": {key: list(each) for key, each in self.arrays.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Have what `state_dict` returned in place of what was recorded.

        Raises
        ------
        CheckpointError
            If it is no such state.
        """
        values, arrays = (state.get(key) if isinstance(state, Mapping) else None for key in ("values", "arrays"))
        if not isinstance(values, Mapping) or not isinstance(arrays, Mapping):
            raise CheckpointError("state does not fit the history: expected values and arrays")
        numbers = all(getattr(one, "dtype", "") == np.float64 and one.ndim == 1 for one in values.values())
        listed = all(isinstance(one, list) for one in arrays.values())
        if not numbers or not listed or len({len(one) for one in (*values.values(), *arrays.values())}) > 1:
            raise CheckpointError("state does not fit the history: expected as many numbers of each figure")
        self._values = {str(key): column.tolist() for key, column in values.items()}
        self.arrays = {str(key): list(map(np.asarray, column)) for key, column in arrays.items()}

    def to_csv(self, path: str | Path) -> None:
        """Write a line for each epoch, with every digit, to a file that is whole or not there.

        Names with commas, quotes or line breaks are quoted, as ``csv`` and pandas read them.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        rows = [dict(zip(self._values, figures, strict=True)) for figures in zip(*self._values.values(), strict=True)]
        write_file(path, csv_table(list(self._values), rows))

    def plot(self, path: str | Path | None = None) -> Figure:
        """Draw the loss, and each metric beside it, over the epochs, with the best ones marked.

        Parameters
        ----------
        path : str or Path, optional
            Where to save the picture: its suffix, png, svg or pdf, is the format.

        Returns
        -------
        matplotlib Figure
            Needs no display.

        Raises
        ------
        MissingPackageError
            If matplotlib is not installed.
        ArgumentError
            If no epoch was completed, or the suffix is another one.
        OutputError
            If the picture cannot be saved.
        """
        from lamina.files.drawing import Panel, plot_panels

        panels = []
        for name, (_, best) in self._judged().items():
            panels.append(Panel(name, self._values[name], self._values.get(f"val_{name}"), best))
        return plot_panels(panels, path)

    def _judged(self) -> dict[str, tuple[str, Best | None]]:
        """Return for each figure the one that it is judged by, the validation data's where there is one, and its best.

        The best is None where nothing but NaN was measured.
        """
        found = {}
        for name in self._values:
            if name in self.higher_is_better and not name.startswith("val_"):
                judged = f"val_{name}" if f"val_{name}" in self._values else name
                measured = not all(map(math.isnan, self._values[judged]))
                found[name] = judged, self.best(judged) if measured else None
        return found

    def _repr_html_(self) -> str | None:
        from lamina.files.html import picture, table

        if not len(self):
            return None
        columns = []
        for name, values in self._values.items():
            columns.append([f"{one:.4g}" if name.startswith("learning_rate") else figure(one) for one in values])
        rows = [(str(epoch), *cells) for epoch, *cells in zip(self.epochs, *columns, strict=True)]
        bests = self._judged().values()
        notes = [f"{name} {figure(best.value)} in epoch {best.epoch}" for name, best in bests if best is not None]
        notes = [f"Best: {', '.join(notes)}."] if notes else []
        note = " ".join([*notes, *(["Interrupted."] if self.interrupted else [])])
        parts = [table(("epoch", *self._values), rows, "r" * (len(columns) + 1), note=note, most=20)]
        if bests:
            parts.append(picture(self.plot, "the loss and the metrics over the epochs"))
        if self.arrays:
            from lamina.metrics.tables import figures_table

            last = {name: each[-1] for name, each in self.arrays.items() if f"val_{name}" not in self.arrays}
            parts += ["<p>Of the last epoch:</p>", figures_table(last, self.class_names)]
        return "\n".join(parts)

    def __repr__(self) -> str:
        figures = [f"{key} {value:.4g}" for key, value in self.last.items() if key in self.higher_is_better]
        count = f"{len(self)} epoch{'' if len(self) == 1 else 's'}"
        return f"<History: {', '.join([count, *figures])}{', interrupted' if self.interrupted else ''}>"


def figures_of(goals: Sequence[Goal], validated: bool) -> dict[str, bool]:
    """Return the names of what is measured, in the order of a history, and whether higher is better."""
    figures = {"loss": False}
    for goal in goals:
        if goal.loss is not None:
            figures[goal.named("loss")] = False
    for goal in goals:
        for metric in goal.metrics:
            if not metric.gives_array:
                figures[goal.named(metric.name)] = metric.higher_is_better
    return figures | {f"val_{name}": higher for name, higher in figures.items()} if validated else figures


def numbers_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return an epoch's figures that are numbers, without those that are arrays.

    Examples
    --------
    >>> numbers_of({"loss": 0.5, "confusion_matrix": np.eye(2)})
    {'loss': 0.5}
    """
    return {key: value for key, value in values.items() if not getattr(value, "ndim", 0)}


def csv_table(names: Sequence[str], rows: Iterable[Mapping[str, float]]) -> str:
    """Return a table of epochs, numbered from 1, and their figures; a cell is empty where a row lacks one."""
    lines = [csv_header(["epoch", *names])]
    for number, row in enumerate(rows, 1):
        lines.append(",".join([str(number), *(repr(row[name]) if name in row else "" for name in names)]))
    return "\n".join(lines) + "\n"


def csv_header(names: Iterable[str]) -> str:
    """Return the first line of a table: names with commas, quotes or line breaks are quoted.

    Examples
    --------
    >>> csv_header(["epoch", "top, 5"])
    'epoch,"top, 5"'
    """
    line = io.StringIO(newline="")
    csv.writer(line).writerow(names)  # that its own lines end in \r\n makes it quote both characters
    return line.getvalue().removesuffix("\r\n")
