"""Settings that change what a layer gives of the same weights."""

from __future__ import annotations

from lamina.compose.bidirectional import Bidirectional
from lamina.core.layer import Layer
from lamina.kinds.window import sides

__all__ = ["differing"]

# Others change training, or what of the outputs is given.
_HEEDED = (
    *(
        "activation",
        "axis",
        "causal",
        "dilation",
        "epsilon",
        "groups",
        "heads",
        "merge",
        "output_padding",
        "projection",
    ),
    *("reset_after", "stride"),
)


def differing(layer: Layer, wanted: Layer) -> list[str]:
    """Return which settings of a layer differ from those of one that has all the other framework's."""
    mine, theirs = layer.config(), wanted.config()
    found = [
        f"expected {name}={theirs[name]!r}, got {mine[name]!r}"
        for name in _HEEDED
        if name in mine and mine[name] != theirs[name]
    ]
    if "kernel_size" in mine and not found:
        reach = (mine["kernel_size"] - 1) * mine["dilation"] + 1
        if sides(mine["padding"], reach) != sides(theirs["padding"], reach):
            found.append(f"expected padding={theirs['padding']!r}, got {mine['padding']!r}")
    if isinstance(layer, Bidirectional) and isinstance(wanted, Bidirectional):
        found += differing(layer.layer, wanted.layer)
    return found
