"""Targets, and the weights with which they count: for one output, or for each of several."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from lamina.core.calls import takes
from lamina.core.layer import Layer
from lamina.core.lengths import each_lengths
from lamina.core.shapes import Lengths, as_lengths, as_tuple, show
from lamina.data.arrays import converted, read_array
from lamina.data.goals import Goal, each_goal, output_key
from lamina.errors import ArgumentError, DataError, ShapeError

__all__ = ["checked_targets", "checked_weights", "read_targets", "read_weights", "require_outputs"]

NumpyArray: TypeAlias = np.ndarray[Any, Any]


def read_targets(y: Any, rows: int, names: tuple[str, ...] = ()) -> tuple[Any, Any]:
    """Return targets as arrays, and the lengths of those that came as lists of sequences.

    Parameters
    ----------
    y : array-like or list of sequences; a tuple of them, or a dict by name, for several outputs
        None for an output without a loss.
    rows : int
        How many there are to be.
    names : tuple of str
        Of the outputs, where there are several.

    Returns
    -------
    target, target_lengths : array and (batch,) int64 or None, or a tuple of one such, or None, for each output

    Raises
    ------
    ShapeError, DTypeError, DataError, ArgumentError
    """
    if not names:
        return _read_target("y", y, rows)
    each = each_goal("y", y, names)
    read = [
        (None, None) if own is None else _read_target(output_key("y", names[index], index), own, rows)
        for index, own in enumerate(each)
    ]
    return tuple(target for target, _ in read), tuple(lengths for _, lengths in read)


def read_weights(sample_weight: Any, mask: Any, rows: int, names: tuple[str, ...] = ()) -> Any:
    """Return with what weight each row, or step, counts: ``sample_weight`` by ``mask``, both given or not.

    Parameters
    ----------
    sample_weight, mask : (batch,) or (batch, time) array-like, or list of sequences
        For several outputs one for all of them, or a tuple of one such, or None, for each, or a dict by name.
    rows : int
    names : tuple of str

    Returns
    -------
    weights : float64 array, a tuple of one such, or None, for each output; None where nothing was given

    Raises
    ------
    ShapeError, DTypeError, DataError, ArgumentError
    """
    if sample_weight is None and mask is None:
        return None
    given = [(what, own) for what, own in (("sample_weight", sample_weight), ("mask", mask)) if own is not None]
    found: list[Any] = [None] * max(1, len(names))
    for what, value in given:
        several = bool(names) and isinstance(value, (tuple, dict))
        each = each_goal(what, value, names) if several else [value] * len(found)
        for index, own in enumerate(each):
            if own is not None:
                key = output_key(what, names[index], index) if several else what
                read = _read_weight(key, own, rows)
                found[index] = read if found[index] is None else _product(found[index], read)
    return tuple(found) if names else found[0]


def require_outputs(goals: tuple[Goal, ...], output: Any) -> None:
    """Raise `ShapeError` where a model has not the outputs that the goals are for."""
    several = isinstance(output[0], tuple)
    if several != (len(goals) > 1 or bool(goals[0].name)) or (several and len(output) != len(goals)):
        count = len(output) if several else 1
        hint = ": give a loss, or None, for each" if several else ""
        wanted = f"{len(goals)} outputs" if goals[0].name else "one output"
        raise ShapeError(f"Trainer: expected a model with {wanted}, got {count}: {show(output)}{hint}")


def checked_targets(
    model: Layer, goals: tuple[Goal, ...], target: Any, own: Any, output: Any, lengths: Any, weights: Any = None
) -> Any:
    """Return targets in a built model's dtype, padded to the outputs' time axes, with all checked that a loss asks for.

    Parameters
    ----------
    model : Layer
    goals : tuple of Goal
    target, own : as `read_targets` returns them, or checked already and None
    output : shape, or tuple of shapes
        Of all rows' outputs.
    lengths : array or None, or a tuple of them
        Of the outputs.
    weights : as `checked_weights` returns them
        A target of weight 0 is not looked at.

    Raises
    ------
    ShapeError, DTypeError, DataError, ArgumentError
    """
    several = isinstance(output[0], tuple)
    shapes = output if several else (output,)
    each = each_lengths(lengths, len(shapes))
    checked: list[Any] = []
    masks = weights if several and weights is not None else (weights,) * len(shapes)
    given = (target, own or (None,) * len(shapes)) if several else ((target,), (own,))
    for index, (goal, one, one_lengths, shape, after, mask) in enumerate(
        zip(goals, *given, shapes, each, masks, strict=True)
    ):
        name = output_key("y", goal.name, index)
        if goal.loss is None or one is None:
            if goal.loss is not None or goal.metrics:
                raise ArgumentError(f"{name}: expected targets for {goal.name}, got None")
            checked.append(None)
            continue
        if after is not None and not takes(type(goal.loss).forward, "lengths", anything=False):
            raise ArgumentError(f"{goal.loss.label} takes no lengths: it cannot leave out steps")
        padded = _padded(name, one, one_lengths, shape, after, goal.loss.target_padding)
        checked.append(converted(model, name, padded, after, True, mask))
        with np.errstate(invalid="ignore"):  # there may be infinity in the padding
            if mask is None:
                goal.loss.check_target(padded, shape, after)
            else:
                goal.loss.check_target(padded, shape, after, mask)
            for metric in goal.metrics:
                metric.check_target(padded, shape, after, mask)
    return tuple(checked) if several else checked[0]


def checked_weights(model: Layer, goals: tuple[Goal, ...], weights: Any, output: Any) -> Any:
    """Return weights in a built model's dtype, each of the shape (batch,) or of its output's steps.

    Parameters
    ----------
    model, goals, output : as for `checked_targets`
    weights : as `read_weights` returns them

    Raises
    ------
    ShapeError, DataError, ArgumentError
    """
    if weights is None:
        return None
    several = isinstance(output[0], tuple)
    checked: list[Any] = []
    for goal, own, shape in zip(goals, as_tuple(weights), output if several else (output,), strict=True):
        if own is None or goal.loss is None:
            checked.append(None)
            continue
        if not all(takes(one, "mask", anything=False) for one in (type(goal.loss).forward, type(goal.loss).terms)):
            raise ArgumentError(f"{goal.loss.label} takes no mask: it cannot weigh rows, or steps")
        for metric in goal.metrics:
            if not metric.takes_sample_weight:
                raise ArgumentError(f"metric {metric.name!r} takes no sample_weight: its update has no such argument")
        steps = shape[:-1] if len(shape) > 1 else shape
        if own.ndim > 1 and len(steps) > 1 and own.shape[0] == steps[0] and own.shape[1] < steps[1]:
            own = np.pad(own, [(0, 0), (0, steps[1] - own.shape[1])])  # of sequences: nothing past the longest
        if own.shape not in (steps, steps[:1]):
            raise ShapeError(
                f"sample_weight: expected weights of shape {steps[:1]}{f' or {steps}' if len(steps) > 1 else ''}, "
                f"got {own.shape}"
            )
        checked.append(own.astype(model.dtype))
    return tuple(checked) if several else checked[0]


def _read_target(name: str, y: Any, rows: int) -> tuple[NumpyArray, Lengths | None]:
    target, lengths = read_array(name, y, counted=True)
    if target.ndim == 0:
        raise ShapeError(f"{name}: expected a target for each row of x, got a single value")
    if len(target) != rows:
        raise ShapeError(f"expected as many rows in x and {name}, got {rows} in x, {len(target)} in {name}")
    return target, lengths


def _read_weight(name: str, value: Any, rows: int) -> NumpyArray:
    weight = read_array(name, value)[0].astype(np.float64)
    if not 1 <= weight.ndim <= 2 or len(weight) != rows:
        raise ShapeError(f"{name}: expected a weight for each of {rows} rows, or for each step, got {weight.shape}")
    wrong = ~((weight >= 0) & np.isfinite(weight))
    if wrong.any():
        first = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise DataError(f"{name}: expected finite numbers of 0 or more, got {weight[first]} at index {first}")
    return weight


def _product(first: NumpyArray, second: NumpyArray) -> NumpyArray:
    """Return the product of two arrays of weights, of which one may be that of rows."""
    rank = max(first.ndim, second.ndim)
    a, b = (one if one.ndim == rank else one[:, None] for one in (first, second))
    if rank > 1 and 1 not in (a.shape[1], b.shape[1]) and a.shape[1] != b.shape[1]:
        raise ShapeError(f"mask: expected as many steps as sample_weight has, got {a.shape} and {b.shape}")
    product: NumpyArray = a * b
    return product


def _padded(
    name: str, target: NumpyArray, own: Lengths | None, output: tuple[int, ...], lengths: Any, padding: int | None
) -> NumpyArray:
    """Return a target, padded to its output's time axis where it came as a list of sequences.

    Where the loss has a ``padding`` of its own, it has no steps to match.
    """
    if padding is not None:
        if own is None:
            return target
        inside = np.arange(target.shape[1]) < own[:, None]
        return np.where(inside, target, np.asarray(padding, target.dtype))
    if own is None or len(output) < 3 or own.min() == output[1]:
        return target
    rows, time = output[:2]
    wanted = as_lengths([time] * rows if lengths is None else lengths, rows, time, name)
    differ = np.flatnonzero(own != wanted)
    if len(differ):
        row = int(differ[0])
        raise ShapeError(f"{name}: expected {wanted[row]} steps at row {row}, got {own[row]}")
    short = [(0, 0), (0, time - target.shape[1])] + [(0, 0)] * (target.ndim - 2)
    return np.pad(target, short) if target.shape[1] < time else target
