"""A model as a table."""

from __future__ import annotations

from typing import Any

from lamina.core.shapes import show
from lamina.core.tree import Tree
from lamina.files.html import table

__all__ = ["Summary", "summary"]

_HEAD = ("layer", "output shape", "parameters", "dtype", "backend", "kernel")


class Summary(str):
    """A model's table as text, which a notebook shows as a table.

    Attributes
    ----------
    rows : tuple of tuples of str
        What the text shows, without its head.
    total : str
        How many parameters there are.
    """

    rows: tuple[tuple[str, ...], ...] = ()
    total: str = ""

    def _repr_html_(self) -> str:
        return table(_HEAD, self.rows, "llrlll", note=self.total)


def summary(model: Tree) -> Summary:
    """Return a table of a model's layers, each once: output shape, parameters, dtype, backend and kernel.

    The kernel column says whose kernel really runs: the backend's own, or the generic one.

    Raises
    ------
    NotBuiltError
        If the model is not built.
    """
    total = sum(parameter.size for parameter in model.parameters())
    trainable = sum(parameter.size for parameter in model.parameters() if parameter.trainable)
    rows: list[Any] = [_HEAD]
    for path, layer in model.walk():
        if layer is model and layer.children() and not layer.own_parameters():
            continue  # a container at the top says nothing that the total does not
        indent = "  " * path.count(".")
        name = f"{indent}{path} {type(layer).__name__}" if path else type(layer).__name__
        if not layer.is_built:
            rows.append((name, "not built", "", "", "", ""))
            continue
        count = sum(parameter.size for parameter in layer.own_parameters().values())
        kernel = f"{layer.kernel.name} ({layer.kernel.source})" if layer.kernel_name else ""
        shape = show(layer.output_shape)
        rows.append((name, shape, f"{count:,}" if count else "", layer.dtype, layer.backend.name, kernel))
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if column == 2 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "-" * (sum(widths) + 2 * (len(widths) - 1)))
    frozen = f", {total - trainable:,} not trained" if total != trainable else ""
    lines.append(f"{total:,} parameters{frozen}")
    text = Summary("\n".join(lines))
    text.rows, text.total = tuple(rows[1:]), lines[-1]
    return text
