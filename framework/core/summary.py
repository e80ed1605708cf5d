"""A model as a table."""

from __future__ import annotations

from lamina.core.shapes import show
from lamina.core.tree import Tree

__all__ = ["summary"]

_HEAD = ("layer", "output shape", "parameters", "dtype", "backend", "kernel")


def summary(model: Tree) -> str:
    """Return a table of a model's layers, each once: output shape, parameters, dtype, backend and kernel.

    The kernel column says whose kernel really runs: the backend's own, or the generic one.

    Raises
    ------
    NotBuiltError
        If the model is not built.
    """
    total = sum(parameter.size for parameter in model.parameters())
    trainable = sum(parameter.size for parameter in model.parameters() if parameter.trainable)
    rows = [_HEAD]
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
    return "\n".join(lines)
