"""What a model's outputs say of classes: which one, by its name, and with what probability."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np

from lamina.data.classes import Classes
from lamina.data.goals import Goal
from lamina.errors import ArgumentError
from lamina.losses.binary_cross_entropy import BinaryCrossEntropy
from lamina.losses.binary_focal_cross_entropy import BinaryFocalCrossEntropy
from lamina.losses.categorical_hinge import CategoricalHinge
from lamina.losses.labels import LabelLoss

__all__ = ["Classified", "classified", "is_over_classes", "require_classes"]

NumpyArray: TypeAlias = np.ndarray[Any, Any]


class Classified(NamedTuple):
    """The classes that a model names.

    Attributes
    ----------
    names : array, or list of arrays, one a row
        The most probable class of each row, or step: its name, or its number where classes have none.
    probabilities : array, or list of arrays, (..., classes)
    """

    names: Any
    probabilities: Any


def is_over_classes(loss: Any) -> bool:
    """Tell whether a loss is over classes of which one is right."""
    if isinstance(loss, LabelLoss):
        return not isinstance(loss, CategoricalHinge)  # whose scores are no logits
    return isinstance(loss, (BinaryCrossEntropy, BinaryFocalCrossEntropy))


def require_classes(goals: tuple[Goal, ...]) -> None:
    """Raise `ArgumentError` where no loss is over classes of which one is right."""
    if not any(is_over_classes(goal.loss) for goal in goals):
        shown = ", ".join(repr(goal.loss) for goal in goals)
        raise ArgumentError(f"classify: expected a loss over classes, got {shown}: see predict, and lamina.decoding")


def classified(loss: Any, outputs: Any, classes: Classes) -> Classified:
    """Return the classes for a model's outputs: an array, or a list of those of each row.

    Raises
    ------
    ArgumentError
        If each output is a yes or no of its own.
    """
    if isinstance(outputs, list):
        rows = [classified(loss, row, classes) for row in outputs]
        return Classified([row.names for row in rows], [row.probabilities for row in rows])
    if not isinstance(loss, LabelLoss):
        if outputs.shape[-1] != 1:
            raise ArgumentError(
                f"classify: expected one output for two classes, got {outputs.shape[-1]}, each a yes or no of its own"
            )
        outputs = np.concatenate([np.zeros_like(outputs), outputs], axis=-1)  # a sigmoid is a softmax over 0 and z
    shifted = np.exp(outputs - outputs.max(axis=-1, keepdims=True))
    probabilities: NumpyArray = shifted / shifted.sum(axis=-1, keepdims=True)
    labels = probabilities.argmax(axis=-1)
    if classes.names and len(classes) != outputs.shape[-1]:
        raise ArgumentError(f"classify: expected names for {outputs.shape[-1]} classes, got {len(classes)}")
    return Classified(classes.decode(labels), probabilities)
