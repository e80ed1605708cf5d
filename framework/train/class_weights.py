"""Weights of classes that a `fit` is given: put on the loss, or found so that all classes count alike."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from lamina.core.lengths import each_lengths
from lamina.data.goals import Goal, each_goal
from lamina.data.shapes import Data
from lamina.errors import ArgumentError
from lamina.losses.labels import LabelLoss, as_weights, counted_steps
from lamina.losses.loss import Loss

__all__ = ["with_class_weights"]

NumpyArray: TypeAlias = np.ndarray[Any, Any]


def with_class_weights(
    goals: tuple[Goal, ...], class_weight: Any, data: Data | None, output: Any, lengths: Any, names: Any = None
) -> tuple[Goal, ...]:
    """Return goals whose losses have weights for their classes; those given stay as they are.

    Parameters
    ----------
    goals : tuple of Goal
    class_weight : "balanced", a sequence of a weight for each class, or a dict of weights by class
        A class that a dict leaves out has the weight 1. The classes of binary cross-entropy of one output are no and
        yes, 0 and 1; otherwise its weights are of its outputs.
        ``"balanced"`` is n / (k n_c) for a class with n_c of the n
        rows, or steps, that count, in k classes that occur; 1 for one that does not. For several outputs a tuple of
        one such, or None, for each, or a dict by their names.
    data : Data or None
        Checked; from which ``"balanced"`` is found.
    output : shape, or tuple of shapes
        Of all rows' outputs.
    lengths : array or None, or a tuple of them
        Of the outputs.
    names : sequence of names, optional
        Of the classes; for several outputs a dict of them.

    Raises
    ------
    ArgumentError
        If a loss takes no such weights, or has some already; or they are none.
    """
    if class_weight is None:
        return goals
    if not goals[0].name:
        target, weights = (None, None) if data is None else (data.target, data.weights)
        return (_weighted(goals[0], class_weight, target, weights, output, lengths, names),)
    each = each_goal("class_weight", class_weight, tuple(goal.name for goal in goals))
    count = len(goals)
    targets = (None,) * count if data is None else data.target
    weights = (None,) * count if data is None or data.weights is None else data.weights
    ends = each_lengths(lengths, count)
    found = zip(goals, each, targets, weights, output, ends, strict=True)
    return tuple(
        goal if own is None else _weighted(goal, own, target, weight, shape, end, (names or {}).get(goal.name))
        for goal, own, target, weight, shape, end in found
    )


def _weighted(
    goal: Goal, given: Any, target: Any, weight: Any, output: tuple[int, ...], lengths: Any, names: Any
) -> Goal:
    loss = goal.loss
    if loss is None or not hasattr(loss, "class_weight"):
        shown = "an output without a loss" if loss is None else loss.label
        raise ArgumentError(f"class_weight: expected a loss with weights for classes, got {shown}")
    if loss.class_weight is not None:
        raise ArgumentError(f"class_weight: expected none beside those of {loss.label} itself")
    classes = output[-1]
    if loss.takes_names == "two" and classes == 1 and isinstance(given, Mapping):
        return goal._replace(loss=_of_two(loss, _by_class(given, 2, names), names or (0, 1)))
    if isinstance(given, str):
        if given != "balanced":
            raise ArgumentError(f"class_weight: expected 'balanced' or weights, got {given!r}")
        given = _balanced(loss, target, weight, output, lengths)
    elif isinstance(given, Mapping):
        given = _by_class(given, classes, names)
    found = as_weights("fit", "class_weight", given)
    if found is None or len(found) != classes:
        raise ArgumentError(f"class_weight: expected a weight for each of {classes} classes, got {given!r}")
    weighted = copy.copy(loss)
    vars(weighted)["class_weight"] = found
    return goal._replace(loss=weighted)


def _of_two(loss: Any, given: list[Any], names: Any) -> Loss:
    """Return binary cross-entropy with a weight for no and one for yes: w and p w, see its equation."""
    weights = as_weights("fit", "class_weight", given)
    assert weights is not None
    no, yes = weights
    if loss.positive_weight is not None:
        raise ArgumentError(f"class_weight: expected none beside the positive_weight of {loss.label} itself")
    if not no:
        raise ArgumentError(
            f"class_weight: expected a weight above 0 for {names[0]!r}, of which the other's is a multiple, got 0"
        )
    weighted: Loss = copy.copy(loss)
    vars(weighted).update(class_weight=[no], positive_weight=yes / no)
    return weighted


def _by_class(given: Mapping[Any, Any], classes: int, names: Any) -> list[Any]:
    """Return the weights that a dict has for some classes, by their names or numbers."""
    weights: list[Any] = [1.0] * classes
    for key, value in given.items():
        number = list(names).index(key) if names is not None and key in list(names) else key
        if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or not 0 <= number < classes:
            known = f"names {list(names)}" if names is not None else f"numbers from 0 to {classes - 1}"
            raise ArgumentError(f"class_weight: expected classes by their {known}, got {key!r}")
        weights[int(number)] = value
    return weights


def _balanced(loss: Loss, target: Any, weight: Any, output: tuple[int, ...], lengths: Any) -> list[float]:
    """Return the weights with which all classes that occur count alike."""
    if not isinstance(loss, LabelLoss) or target is None or target.ndim != len(output) - 1:
        raise ArgumentError(
            f"class_weight: 'balanced' needs the labels of all rows, for {loss.label}: pass the weights"
        )
    counted = counted_steps(loss, output, lengths, weight)
    if loss.ignore_index is not None:
        counted &= target != loss.ignore_index
    counts = np.bincount(target[counted], minlength=output[-1])
    total, present = counts.sum(), (counts > 0).sum()
    return [float(total / (present * count)) if count else 1.0 for count in counts]
