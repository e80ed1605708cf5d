"""Features and units in groups that do not see each other: what layers that have them share."""

from __future__ import annotations

from typing import Any

from lamina.core.arguments import name_of
from lamina.core.shapes import Shape, show
from lamina.core.tree import Tree
from lamina.errors import ArgumentError, ShapeError

__all__ = ["divide_features", "divide_units"]


def divide_units(owner: Any, units: int, groups: int) -> int:
    """Return how many units a group has, or raise `ArgumentError` where they cannot be divided."""
    if units % groups:
        raise ArgumentError(f"{name_of(owner)}: expected units that groups={groups} divides, got {units}")
    return units // groups


def divide_features(layer: Tree, features: int, groups: int, shape: Shape) -> int:
    """Return how many features a group has, or raise `ShapeError` where they cannot be divided."""
    if features % groups:
        raise ShapeError(f"{layer.label}: expected features that groups={groups} divides, got {show(shape)}")
    return features // groups
