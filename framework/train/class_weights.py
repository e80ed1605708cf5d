"""Weights of classes that a `fit` is given: put on the loss, or found so that all classes count alike."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from lamina.core.lengths import each_lengths
from lamina.data.goals import Goal, each_goal
from lamina.errors import ArgumentError
from lamina.losses.labels import LabelLoss, as_weights, counted_steps
from lamina.losses.loss import Loss

__all__ = ["Counted", "with_class_weights"]

NumpyArray: TypeAlias = np.ndarray[Any, Any]


class Counted(NamedTuple):
    """Rows whose classes are counted: all there are, or a batch of them.

    Attributes
    ----------
    target, weights : ndarray or None, or a tuple of them for several outputs
        On the host, checked.
    output : shape, or tuple of shapes
        Of these rows' outputs.
    lengths : array or None, or a tuple of them
        Of the outputs.
    """

    target: Any
    weights: Any
    output: Any
    lengths: Any

    def of(self, index: int) -> Counted:
        """Return what is of one of several outputs."""
        weights = None if self.weights is None else self.weights[index]
        lengths = each_lengths(self.lengths, len(self.output))[index]
        return Counted(self.target[index], weights, self.output[index], lengths)


def with_class_weights(
    goals: tuple[Goal, ...], class_weight: Any, counted: Iterable[Counted] | None, output: Any, names: Any = None
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
    counted : iterable of Counted, or None
        All rows, from which ``"balanced"`` is found; gone through for that alone, and once. None where that cannot be.
    output : shape, or tuple of shapes
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
    several = bool(goals[0].name)
    each = each_goal("class_weight", class_weight, tuple(goal.name for goal in goals)) if several else [class_weight]
    shapes, names = (output, names or {}) if several else ((output,), {"": names})
    for goal, own in zip(goals, each, strict=True):
        if own is not None:
            _require_weighable(goal.loss, own)
    asked = [index for index, own in enumerate(each) if isinstance(own, str)]
    found: dict[int, Any] = dict.fromkeys(asked, 0)
    for rows in () if not asked or counted is None else counted:
        for index in asked:
            own = rows.of(index) if several else rows
            found[index] = found[index] + _counts(goals[index].loss, own)
    for index in asked:
        if counted is None:
            raise _unknown(goals[index].loss)
        each[index] = dict(enumerate(_balanced(found[index])))
    return tuple(
        goal if own is None else _weighted(goal, own, shape, names.get(goal.name), index in asked)
        for index, (goal, own, shape) in enumerate(zip(goals, each, shapes, strict=True))
    )


def _require_weighable(loss: Any, given: Any) -> None:
    """Raise `ArgumentError` where a loss takes no weights for classes, or has some, or is given another word."""
    if loss is None or not hasattr(loss, "class_weight"):
        shown = "an output without a loss" if loss is None else loss.label
        raise ArgumentError(f"class_weight: expected a loss with weights for classes, got {shown}")
    if loss.class_weight is not None:
        raise ArgumentError(f"class_weight: expected none beside those of {loss.label} itself")
    if isinstance(given, str) and given != "balanced":
        raise ArgumentError(f"class_weight: expected 'balanced' or weights, got {given!r}")


def _weighted(goal: Goal, given: Any, output: tuple[int, ...], names: Any, numbered: bool) -> Goal:
    """Return a goal with weights: by class in a dict, whose keys are numbers where they are ``numbered``."""
    loss: Any = goal.loss
    classes = output[-1]
    known = None if numbered else names
    if loss.takes_names == "two" and classes == 1 and isinstance(given, Mapping):
        return goal._replace(loss=_of_two(loss, _by_class(given, 2, known), names or (0, 1)))
    if isinstance(given, Mapping):
        given = _by_class(given, classes, known)
    found = as_weights("fit", "class_weight", given)
    if found is None or len(found) != classes:
        raise ArgumentError(f"class_weight: expected a weight for each of {classes} classes, got {given!r}")
    weighted = copy.copy(loss)
    vars(weighted)["class_weight"] = found
    return goal._replace(loss=weighted)


def _of_two(loss: Any, given: list[Any], names: Any) -> Loss:
    """Return a loss of one yes or no with a weight for each of the two, by what its equation has for a yes."""
    weights = as_weights("fit", "class_weight", given)
    assert weights is not None
    no, yes = weights
    setting = "positive_weight" if hasattr(loss, "positive_weight") else "alpha"
    if getattr(loss, setting) is not None:
        raise ArgumentError(f"class_weight: expected none beside the {setting} of {loss.label} itself")
    if setting == "alpha":  # w a for a yes, and w (1 - a) for a no
        both, share = no + yes, yes / (no + yes) if no + yes else 0.0
    elif no:  # w p, and w
        both, share = no, yes / no
    else:
        raise ArgumentError(
            f"class_weight: expected a weight above 0 for {names[0]!r}, of which the other's is a multiple, got 0"
        )
    weighted: Loss = copy.copy(loss)
    vars(weighted).update({"class_weight": [both], setting: share})
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


def _counts(loss: Any, rows: Counted) -> NumpyArray:
    """Return how many rows, or steps, that count have each class, of a model's one output."""
    target, weight, output, lengths = rows
    of_two = loss.takes_names == "two" and output[-1] == 1
    if target is None or not (of_two or (isinstance(loss, LabelLoss) and target.ndim == len(output) - 1)):
        raise _unknown(loss)
    inside = counted_steps(loss, output, lengths, weight)
    if of_two:
        labels = target[..., 0][inside]
        strange = labels[(labels != 0) & (labels != 1)]
        if len(strange):
            raise ArgumentError(f"class_weight: 'balanced' needs targets of 0 and 1 for {loss.label}, got {strange[0]}")
        return np.bincount(labels.astype(np.int64), minlength=2)
    if loss.ignore_index is not None:
        inside &= target != loss.ignore_index
    return np.bincount(target[inside], minlength=output[-1])


def _balanced(counts: NumpyArray) -> list[float]:
    """Return the weights with which all classes that occur count alike, of classes that occur so often."""
    total, present = counts.sum(), (counts > 0).sum()
    return [float(total / (present * count)) if count else 1.0 for count in counts]


def _unknown(loss: Any) -> ArgumentError:
    return ArgumentError(f"class_weight: 'balanced' needs the labels of all rows, for {loss.label}: pass the weights")
