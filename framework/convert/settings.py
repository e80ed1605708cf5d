"""Settings that change what a layer gives of the same weights."""

from __future__ import annotations

from lamina.compose.bidirectional import Bidirectional
from lamina.core.layer import Layer
from lamina.kinds.window import sides

__all__ = ["differing"]

# Others change training, or what of the outputs is given.
_HEEDED = (
    *("activation", "axis", "causal", "dilation", "epsilon", "groups", "heads", "merge", "output_padding", "projection"),
    *("reset_after", "stride"),
)


def differing(layer: Layer, wanted: Layer) -> list[str]:
    """Return which settings of a layer differ from those of one that has all the other framework's."""
    found = []
    for name in _HEEDED:
        mine, theirs = getattr(layer, name, None), getattr(wanted, name, None)
        if mine != theirs:
            found.append(f"expected {name}={theirs!r}, got {mine!r}")
    reach = getattr(layer, "kernel_size", None)
    if reach is not None and not found:
        reach = (reach - 1) * layer.dilation + 1  # type: ignore[attr-defined]  # a layer with windows has one
        mine, theirs = layer.padding, wanted.padding  # type: ignore[attr-defined]
        if sides(mine, reach) != sides(theirs, reach):
            found.append(f"expected padding={theirs!r}, got {mine!r}")
    if isinstance(layer, Bidirectional) and isinstance(wanted, Bidirectional):
        found += differing(layer.layer, wanted.layer)
    return found
