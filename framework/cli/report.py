"""What commands print: counts of rows, accuracy, the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lamina.cli.npz import NumpyArray
from lamina.cli.part import Part
from lamina.files.printable import printable

__all__ = ["accuracy_text", "confusion_matrix", "confusion_text", "labelled_lines", "part_text", "table_text"]

# Wider than this, a matrix breaks a terminal's lines, and the confusions are listed instead.
_MOST_COLUMNS = 20
# Names up to this length head their columns; longer ones are numbered.
_SHORT = 4


def labelled_lines(pairs: Sequence[tuple[str, str]]) -> str:
    """Return a line for each pair: the label, and from one column on what it labels, with line breaks kept."""
    width = max(len(label) for label, _ in pairs) + 2
    return "\n".join(f"{label:{width}}" + text.replace("\n", "\n" + " " * width) for label, text in pairs)


def part_text(part: Part) -> str:
    """Return the size of a part: ``270 rows, 7 to 26 steps``."""
    shortest, longest = part.x.shape[1], part.x.shape[1]
    if part.lengths is not None:
        shortest, longest = int(part.lengths.min()), int(part.lengths.max())
    steps = f"{longest} steps" if shortest == longest else f"{shortest} to {longest} steps"
    return f"{len(part)} row{'' if len(part) == 1 else 's'}, {steps}"


def accuracy_text(matrix: NumpyArray, unit: str = "") -> str:
    """Return the share of rows on the matrix's diagonal: ``97.3 % (360 of 370)``; ``unit`` says of what."""
    right, total = int(np.trace(matrix)), int(matrix.sum())
    return f"{100 * right / max(1, total):.1f} % ({right} of {total}{unit and ' ' + unit})"


def table_text(title: str, heads: Sequence[str], rows: Sequence[tuple[str, Sequence[float]]]) -> str:
    """Return numbers as aligned text, a line for each name.

    Examples
    --------
    >>> print(table_text("errors", ["1", "mean"], [("model", [0.25, 2.5]), ("naive", [10.0, 31.25])]))
    errors
                1   mean
      model  0.25    2.5
      naive    10  31.25
    """
    cells = [list(heads), *([f"{value:.4g}" for value in values] for _, values in rows)]
    widths = [max(len(row[place]) for row in cells) + 2 for place in range(len(heads))]
    names = ["", *(printable(name) for name, _ in rows)]
    width = max(map(len, names))
    lines = [title] if title else []
    for name, row in zip(names, cells, strict=True):
        lines.append(f"  {name:{width}}" + "".join(cell.rjust(size) for cell, size in zip(row, widths, strict=True)))
    return "\n".join(lines)


def confusion_matrix(y: NumpyArray, predicted: NumpyArray, classes: int) -> NumpyArray:
    """Return how many rows of each class (axis 0) were taken for each class (axis 1)."""
    return np.bincount(y * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def confusion_text(matrix: NumpyArray, class_names: Sequence[str]) -> str:
    """Return the matrix as aligned text, zeros as dots; for many classes, the confusions most often made.

    Parameters
    ----------
    matrix : ndarray, (classes, classes)
        Rows are true classes.
    class_names : sequence of str

    Examples
    --------
    >>> print(confusion_text(np.array([[30, 1], [0, 28]]), ["cat", "dog"]))
    confusion matrix: a row for each true class, a column for each predicted one
           cat  dog
      cat   30    1
      dog    .   28
    """
    if len(matrix) > _MOST_COLUMNS:
        return _confusions(matrix, [printable(name) for name in class_names])
    names = [printable(" ".join(name.split())) for name in class_names]
    heads = names
    if max(len(name) for name in names) > _SHORT:
        heads = [str(number) for number in range(1, len(names) + 1)]
        width = len(heads[-1])
        names = [f"{head:>{width}} {name}" for head, name in zip(heads, names, strict=True)]
    cells = [heads, *([str(count) if count else "." for count in row] for row in matrix)]
    cell_width = max(len(cell) for row in cells for cell in row) + 2
    name_width = max(len(name) for name in names)
    lines = ["confusion matrix: a row for each true class, a column for each predicted one"]
    for name, row in zip(["", *names], cells, strict=True):
        lines.append(f"  {name:{name_width}}" + "".join(cell.rjust(cell_width) for cell in row))
    return "\n".join(lines)


def _confusions(matrix: NumpyArray, class_names: Sequence[str]) -> str:
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:_MOST_COLUMNS]
    found = [(int(i), int(j)) for i, j in zip(*np.unravel_index(order, wrong.shape), strict=True) if wrong[i, j]]
    lines = [f"confusions made most often, of {len(matrix)} classes (true class -> predicted class: rows)"]
    lines += [f"  {class_names[i]} -> {class_names[j]}: {wrong[i, j]}" for i, j in found]
    return "\n".join(lines if found else [f"no confusions among {len(matrix)} classes"])
