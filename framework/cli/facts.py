"""What was saved with a model and steers the commands: a file may be anyone's, so it is looked at before it is used."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from lamina.core.arguments import MOST, is_whole
from lamina.core.layer import Layer
from lamina.errors import CheckpointError, shown

__all__ = ["require_data_facts", "require_facts", "task_facts"]

_COLUMNS = {"id": "a name", "time": "a name", "target": "names", "features": "names"}


def task_facts(model: Layer) -> dict[str, Any]:
    """Return what a model knows of its task; a model that was not trained by the command line classifies.

    Raises
    ------
    CheckpointError
        If the task's name is none.
    """
    facts = model.facts.get("task")
    if not isinstance(facts, dict) or "name" not in facts:
        return {"name": "classify"}
    _require("task", facts, "name", "a name", lambda value: isinstance(value, str))
    return facts


def require_data_facts(model: Layer) -> dict[str, Any]:
    """Return what a model knows of the data it was trained on by the command line; nothing where it was not.

    Raises
    ------
    CheckpointError
        If that is not what ``lamina train`` notes.
    """
    facts = model.facts.get("data")
    if not isinstance(facts, dict) or "held_out_of" not in facts:
        return {}  # a fact of someone's own
    _require("data", facts, "held_out_of", "a checksum", lambda value: isinstance(value, str))
    _require(
        "data", facts, "held_out_seed", "a whole number of 0 or more", lambda value: is_whole(value) and value >= 0
    )
    return facts


def require_facts(model: Layer) -> None:
    """Raise `CheckpointError` where a model's facts are not what its task notes, or do not fit its shapes.

    Parameters
    ----------
    model : Layer
        With one input (batch, time, features), and one output of the task's rank.
    """
    task, output = task_facts(model), model.output_shape
    assert isinstance(output, tuple) and isinstance(output[-1], int)
    count = output[-1]
    require_data_facts(model)
    for name, value in _columns(task).items():
        wanted = _COLUMNS.get(name)
        known = isinstance(value, str) if wanted == "a name" else _are_names(value)
        if wanted is None or not (known or value is None):
            raise CheckpointError(f"fact 'task', columns: expected {wanted or 'no'} {name!r}, got {shown(value, 60)}")
    if task["name"] in ("classify", "tag"):
        names = model.facts.get("class_names")
        if names is not None and not (isinstance(names, list) and len(names) == count and all(map(_is_name, names))):
            raise CheckpointError(f"fact 'class_names': expected names of {count} classes, got {shown(names, 60)}")
        return
    optional: dict[str, tuple[str, Callable[[Any], bool]]] = {
        "targets": (f"{count} names", lambda value: _are_names(value) and len(value) == count),
        "target_mean": (f"{count} numbers", lambda value: _are_numbers(value) and len(value) == count),
    }
    for name, (wanted, fits) in optional.items():
        if name in task:
            _require("task", task, name, wanted, fits)
    if task["name"] == "forecast":
        _require_forecast(model, task, output[1])


def _require_forecast(model: Layer, task: dict[str, Any], horizon: Any) -> None:
    steps = model.input_shapes[0][1]
    _require(
        "task", task, "horizon", f"{horizon}, as the model gives", lambda value: is_whole(value) and value == horizon
    )
    wanted = "a whole number of 1 or more" if steps is None else f"{steps}, as the model takes"
    _require("task", task, "window", wanted, lambda value: _is_count(value) and value == (steps or value))
    if task.get("season") is not None:
        window = task["window"]
        _require("task", task, "season", f"from 1 to {window}", lambda value: _is_count(value) and value <= window)


def _columns(task: dict[str, Any]) -> dict[str, Any]:
    columns = task.get("columns")
    if columns is not None and not isinstance(columns, dict):
        raise CheckpointError(f"fact 'task': expected columns to be an object, got {shown(columns, 60)}")
    return columns or {}


def _require(fact: str, facts: dict[str, Any], name: str, wanted: str, fits: Callable[[Any], bool]) -> None:
    value = facts.get(name)
    if not fits(value):
        raise CheckpointError(f"fact {fact!r}: expected {name} to be {wanted}, got {shown(value, 60)}")


def _is_count(value: Any) -> bool:
    return is_whole(value) and 1 <= value <= MOST


def _is_name(value: Any) -> bool:
    return isinstance(value, (str, int, float, bool))


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _are_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, (int, float)) and _is_finite(one) for one in value)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond every float
        return False
