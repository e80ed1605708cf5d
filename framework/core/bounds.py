"""How large a model in a file may be: what a few bytes can ask for is refused before it is made.

A description of a hundred bytes can ask for a layer of a billion units, and one of a thousand, by parts that stand in
several places, for more layers than there is memory. Both are looked at before any layer is made or built.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from lamina.core.shapes import Shape, show
from lamina.core.tree import Tree
from lamina.errors import CheckpointError

__all__ = [
    "MOST_ARGUMENTS",
    "MOST_DEPTH",
    "MOST_FACTS_NESTING",
    "MOST_HEADER",
    "MOST_NESTING",
    "MOST_NUMBERS",
    "MOST_PARTS",
    "MOST_REACHED",
    "MOST_STEPS",
    "MOST_VALUES",
    "Budget",
    "require_bounded",
    "require_plain",
]

#: How many bytes a file's header may have: all that is no weight.
MOST_HEADER = 2**24
#: How many values (numbers, names, lists) an architecture's JSON may hold, and that of what else a file tells.
MOST_ARGUMENTS = 200_000
MOST_VALUES = 2_000_000
#: How deep lists and objects of JSON may stand in each other: in an architecture, and elsewhere.
MOST_NESTING = 250
MOST_FACTS_NESTING = 100
#: How deep parts (layers and initializers) may stand in each other. Python's own stack ends at some 120 layers.
MOST_DEPTH = 64
#: How many parts an architecture may have, counted at each place where one stands.
MOST_PARTS = 10_000
#: How many inputs and outputs of layers may be looked at in building.
MOST_STEPS = 200_000
#: How many numbers a row may have that a layer gives, by its fixed sizes, and that it reads at once, by its reach.
MOST_NUMBERS = 2**26
MOST_REACHED = 2**24


def require_plain(value: Any, what: str, most: int = MOST_NESTING) -> None:
    """Raise `CheckpointError` where JSON is nested too deep; ``what`` it holds stands in the message."""
    level: list[Any] = [value]
    for _ in range(most):
        holders = [one.values() if isinstance(one, dict) else one for one in level if isinstance(one, (dict, list))]
        level = [one for holder in holders for one in holder if isinstance(one, (dict, list))]
        if not level:
            return
    raise CheckpointError(f"{what}: expected lists and objects at most {most} deep in each other")


def require_bounded(description: Any, copies: Callable[[str, Any], int]) -> None:
    """Raise `CheckpointError` where an architecture, as `describe` gives it, has too many parts, or nests too deep.

    Parameters
    ----------
    description : JSON
        What is no description is left to `rebuild` to refuse.
    copies : callable
        Of the kind of a part and its name: how many of each part among its arguments it holds.
    """
    require_plain(description, "the architecture")
    _Weighing(copies).weigh(description, 0)


class _Weighing:
    """Counts parts; those described so far are known by their numbers, as ``{"same": n}`` names them."""

    def __init__(self, copies: Callable[[str, Any], int]) -> None:
        self._copies = copies
        self._known: list[tuple[int, int]] = []

    def weigh(self, value: Any, depth: int) -> tuple[int, int]:
        """Return how many parts a value is, and how deep they stand in each other."""
        if isinstance(value, list):
            return self._all(value, depth)
        if not isinstance(value, dict):
            return 0, 0
        if set(value) == {"same"}:
            number = value["same"]
            known = isinstance(number, int) and 0 <= number < len(self._known)
            parts, below = self._known[number] if known else (1, 1)
            self._require(parts, depth + below)
            return parts, below
        if not isinstance(value.get("config"), dict):
            return self._all(list(value.values()), depth)
        number = len(self._known)
        self._known.append((1, 1))
        self._require(1, depth + 1)
        kind = next((key for key in value if key != "config"), "")
        parts, below = self._all(list(value["config"].values()), depth + 1)
        parts = 1 + parts * self._copies(kind, value.get(kind))
        self._require(parts, depth)
        self._known[number] = parts, below + 1
        return self._known[number]

    def _all(self, values: list[Any], depth: int) -> tuple[int, int]:
        parts = below = 0
        for value in values:
            if isinstance(value, (dict, list)):
                more, deep = self.weigh(value, depth)
                parts, below = parts + more, max(below, deep)
                self._require(parts, depth)
        return parts, below

    def _require(self, parts: int, depth: int) -> None:
        if parts > MOST_PARTS:
            raise CheckpointError(
                f"the architecture: expected at most {MOST_PARTS} layers and initializers, counted wherever they stand"
            )
        if depth > MOST_DEPTH:
            raise CheckpointError(f"the architecture: expected layers at most {MOST_DEPTH} deep in each other")


class Budget:
    """What building a file's model may take; called with a layer and its inputs' shapes, then with its outputs'."""

    def __init__(self) -> None:
        self._left = MOST_STEPS

    def __call__(self, layer: Tree, shapes: tuple[Shape, ...]) -> None:
        """Raise `CheckpointError` where it is used up, or a shape holds too many numbers."""
        self._left -= 1 + len(shapes)
        if self._left < 0:
            raise CheckpointError(
                f"the architecture: expected at most {MOST_STEPS} inputs and outputs of layers, counted wherever they "
                "stand"
            )
        for shape in shapes:
            reach = layer._reach()
            if reach > 1 and reach * (shape[-1] or 1) > MOST_REACHED:
                raise CheckpointError(
                    f"{layer.label}: expected to reach over at most {MOST_REACHED} numbers, got {reach} steps of "
                    f"{show(shape)}"
                )
            numbers = math.prod(size for size in shape[1:] if size is not None)
            if numbers > MOST_NUMBERS:
                raise CheckpointError(
                    f"{layer.label}: expected at most {MOST_NUMBERS} numbers a row, got {show(shape)}"
                )
