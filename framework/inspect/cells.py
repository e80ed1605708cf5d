"""Which layers of a model run inside recurrent ones."""

from __future__ import annotations

from lamina.core.layer import Layer
from lamina.kinds.recurrent import RecurrentLayer

__all__ = ["cell_paths"]


def cell_paths(model: Layer) -> set[str]:
    """Return the paths of the layers in recurrent ones: cells, which are called for every step."""
    return {
        f"{path}.{below}" if path else below
        for path, layer in model.walk()
        if isinstance(layer, RecurrentLayer)
        for below, _ in layer.walk()
        if below
    }
