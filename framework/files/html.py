"""Tables and pictures as HTML: what a notebook shows of an object that ends a cell.

No colours and no borders: those are the notebook's, light or dark. All text is escaped.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING

from lamina.errors import MissingPackageError
from lamina.files.drawing import png

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["cut", "picture", "table"]

# What a notebook's own style would do otherwise: align all to the right, and drop the spaces that indent a name.
_STYLES = {"l": "text-align:left;white-space:pre-wrap", "r": "text-align:right"}


def cut(count: int, most: int) -> list[int | None]:
    """Return which of so many places to show: all, or the first and the last ones, with None between them.

    Examples
    --------
    >>> cut(3, 4), cut(9, 4)
    ([0, 1, 2], [0, 1, None, 7, 8])
    """
    if count <= most:
        return list(range(count))
    first = (most + 1) // 2
    return [*range(first), None, *range(count - most + first, count)]


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    align: str,
    *,
    caption: str = "",
    note: str = "",
    most: int = 60,
) -> str:
    """Return a table whose first column says what each row is.

    Parameters
    ----------
    head : sequence of str
        What stands over the columns.
    rows : sequence of sequences of str
        As long as the head.
    align : str
        A letter for each column: "l" for text, "r" for numbers.
    caption, note : str
        A line above it, and one below.
    most : int
        Of more rows, the first and the last are shown, and how many are left out.

    Examples
    --------
    >>> print(table(["a < b"], [["2"]], "r", note="of two"))
    <table>
    <thead><tr><th style="text-align:right">a &lt; b</th></tr></thead>
    <tbody>
    <tr><th style="text-align:right" scope="row">2</th></tr>
    </tbody>
    </table>
    <p>of two</p>
    """
    lines = [f"<p>{escape(caption)}</p>"] if caption else []
    cells = "".join(f'<th style="{_STYLES[side]}">{escape(text)}</th>' for text, side in zip(head, align, strict=True))
    lines += ["<table>", f"<thead><tr>{cells}</tr></thead>", "<tbody>"]
    for place in cut(len(rows), most):
        if place is None:
            lines.append(f'<tr><td colspan="{len(head)}" style="text-align:center">{len(rows) - most:,} more</td></tr>')
        else:
            lines.append(_row(rows[place], align))
    lines += ["</tbody>", "</table>"]
    return "\n".join([*lines, f"<p>{escape(note)}</p>"] if note else lines)


def picture(draw: Callable[[], Figure], about: str) -> str:
    """Return what a function draws as an image within the text; "" where matplotlib is not installed.

    Parameters
    ----------
    draw : callable
        Returns a figure.
    about : str
        What it shows, for who cannot see it.
    """
    try:
        content = png(draw())
    except MissingPackageError:
        return ""
    data = base64.b64encode(content).decode("ascii")
    return f'<img alt="{escape(about)}" style="max-width:100%" src="data:image/png;base64,{data}">'


def _row(row: Sequence[str], align: str) -> str:
    cells = [(text, _STYLES[side]) for text, side in zip(row, align, strict=True)]
    (name, style), *rest = cells
    others = "".join(f'<td style="{style}">{escape(text)}</td>' for text, style in rest)
    return f'<tr><th style="{style}" scope="row">{escape(name)}</th>{others}</tr>'
