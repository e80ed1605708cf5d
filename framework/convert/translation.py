"""What the arrays of a layer are called elsewhere, and how they lie there: one translation for each class of layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from lamina.core.layer import Layer

__all__ = ["Arrays", "Format", "Translation", "axes", "translates", "translation_of"]

#: Arrays by name: a layer's own, or another framework's.
Arrays: TypeAlias = dict[str, np.ndarray[Any, Any]]


class Format(NamedTuple):
    """How one framework holds a layer's arrays.

    Attributes
    ----------
    export : callable
        Gives a layer's arrays under the framework's names, in its order, for the layer and its own arrays by name.
    take : callable
        The inverse: the layer's own arrays for the layer and the framework's, whose names and shapes are right.
    """

    export: Callable[[Layer, Arrays], Arrays]
    take: Callable[[Layer, Arrays], Arrays]


class Translation(NamedTuple):
    """What holds a layer's arrays in each framework; None where there is no counterpart.

    Attributes
    ----------
    torch, keras : Format or None
    name : str
        The class's name in Keras, by which its files name their groups.
    groups : tuple of str
        Where a file of Keras's holds them, below the layer's group; in the order of ``export``.
    stacked : bool
        Whether PyTorch numbers the names, as ``weight_ih_l0``: of layers that stand on each other in one module.
    """

    torch: Format | None
    keras: Format | None
    name: str = ""
    groups: tuple[str, ...] = ("",)
    stacked: bool = False


_known: dict[type, Translation] = {}


def translates(layer: type[Layer], translation: Translation) -> None:
    """Make a layer class's translation known."""
    _known[layer] = translation


def translation_of(layer: Layer) -> Translation | None:
    """Return the translation of a layer's class, or None; a subclass may do anything, and has its base's not."""
    return _known.get(type(layer))


def axes(names: Mapping[str, str | tuple[str, tuple[int, ...]]]) -> Format:
    """Return the format of a framework that holds a layer's arrays as they are, but for names and the order of axes.

    Parameters
    ----------
    names : mapping
        By the layer's name of an array: the framework's, or that and the axes of the layer's array in its order.
    """
    pairs = {own: (other, ()) if isinstance(other, str) else other for own, other in names.items()}

    def export(layer: Layer, own: Arrays) -> Arrays:
        return {pairs[name][0]: own[name].transpose(pairs[name][1] or None) if pairs[name][1] else own[name]
                for name in pairs if name in own}  # fmt: skip

    def take(layer: Layer, theirs: Arrays) -> Arrays:
        found = {}
        for name, (other, order) in pairs.items():
            if other in theirs:
                found[name] = theirs[other].transpose(np.argsort(order)) if order else theirs[other]
        return found

    return Format(export, take)
