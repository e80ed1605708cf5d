"""What metrics give for each class, as tables with the classes' names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lamina.files.html import cut, table
from lamina.files.numbers import figure

__all__ = ["figures_table", "labels_of", "names_for"]

# Of how many classes a confusion matrix is shown.
_CLASSES = 30

NumpyArray = np.ndarray[Any, Any]


def figures_table(figures: Mapping[str, Any], class_names: Any = None) -> str:
    """Return tables of what was measured: of the numbers, of what is of each class, and of what was taken for what.

    Parameters
    ----------
    figures : mapping of str to number or ndarray
        By name, as `Trainer.evaluate` gives them.
    class_names : sequence of names, or a mapping of them by output, optional
        Numbers stand where there are none.
    """
    numbers = [(name, _text(value)) for name, value in figures.items() if not np.ndim(value)]
    parts = [table(("figure", "value"), numbers, "lr")] if numbers else []
    columns: dict[tuple[str, ...], dict[str, NumpyArray]] = {}
    others = []
    for name, value in figures.items():
        axes, names = np.ndim(value), names_for(name, class_names)
        if axes == 1:
            columns.setdefault(labels_of(len(value), names), {})[name] = value
        elif axes == 2:
            others.append(_matrix(name, value, names))
        elif axes:
            others.append(table((name,), [(f"array of shape {np.shape(value)}",)], "l"))
    for labels, arrays in columns.items():
        rows = [(label, *map(_text, values)) for label, *values in zip(labels, *arrays.values(), strict=True)]
        parts.append(table(("class", *arrays), rows, "l" + "r" * len(arrays)))
    return "\n".join([*parts, *others])


def _matrix(name: str, matrix: NumpyArray, names: Sequence[Any] | None) -> str:
    """Return a matrix's table; with a column more than rows, that one is of what was taken for no class."""
    rows, columns = matrix.shape
    labels = labels_of(rows, names)
    over = (*labels, "none") if columns == rows + 1 else labels if columns == rows else labels_of(columns, None)
    is_confusion = name.endswith("confusion_matrix")
    places = cut(columns, _CLASSES)
    head = [name, *("…" if place is None else over[place] for place in places)]
    body = [
        (label, *("…" if place is None else _text(row[place]) for place in places))
        for label, row in zip(labels, matrix, strict=True)
    ]
    note = "Each row is a class, each column what it was taken for." if is_confusion else ""
    return table(head, body, "l" + "r" * len(places), note=note, most=_CLASSES)


def labels_of(count: int, names: Sequence[Any] | None) -> tuple[str, ...]:
    """Return the classes' names, where there are as many, or else their numbers."""
    return tuple(map(str, names if names is not None and len(names) == count else range(count)))


def names_for(figure_name: str, class_names: Any) -> Sequence[Any] | None:
    """Return the names of the classes of a figure's output: of several, the longest that begins its name."""
    if not isinstance(class_names, Mapping):
        return class_names  # type: ignore[no-any-return]
    own = figure_name.removeprefix("val_")
    outputs = [output for output in class_names if own.startswith(f"{output}_")]
    return class_names[max(outputs, key=len)] if outputs else None


def _text(value: Any) -> str:
    return f"{value:,}" if isinstance(value, (int, np.integer)) else figure(float(value))
