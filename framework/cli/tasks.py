"""The four tasks by name, and a model file's."""

from __future__ import annotations

import warnings
from typing import Any

from lamina.cli.classifier import Classify, Tag
from lamina.cli.facts import require_facts, task_facts
from lamina.cli.numbers import Forecast, Regress
from lamina.cli.say import say
from lamina.cli.task import Task
from lamina.core.finite import non_finite_text
from lamina.core.layer import Layer
from lamina.errors import ArgumentError, CheckpointError, NonFiniteWarning, unknown

__all__ = ["find_task", "load_model", "tell_non_finite"]

#: The options that only a forecast has.
FORECAST_OPTIONS = ("horizon", "window", "season")
_OTHERS: dict[str, type[Task]] = {"classify": Classify, "tag": Tag, "regress": Regress}


def find_task(name: str, options: dict[str, Any]) -> Task:
    """Return a task.

    Parameters
    ----------
    name : {"classify", "tag", "regress", "forecast"}
    options : dict
        ``horizon``, ``window`` and ``season`` of a forecast; None where one is not given.

    Raises
    ------
    UnknownNameError
        If there is no such task.
    ArgumentError
        If another task is given one of them.
    """
    given = {key: options[key] for key in FORECAST_OPTIONS if options.get(key) is not None}
    if name == "forecast":
        return Forecast(**given)
    if name not in _OTHERS:
        raise unknown("task", name, ("forecast", *_OTHERS))
    if given:
        raise ArgumentError(f"--{next(iter(given))}: expected --task forecast beside it, got {name}")
    return _OTHERS[name]()


def columns_for(model: Layer, source: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return which columns of a .csv file are what: as given, else as in the file that the model was trained from."""
    known = task_facts(model).get("columns") if source.lower().endswith(".csv") else None
    return {**(known or {}), **given}


def load_model(path: str, backend: str | None, dtype: str | None) -> tuple[Layer, Task]:
    """Return the model in a file, and its task.

    Raises
    ------
    LaminaError
        If it cannot be loaded, does not take and give what its task does, or was saved with facts that are none of
        the task's or do not fit its shapes.
    """
    from lamina.core.load import load

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NonFiniteWarning)  # told at the end, where nothing worse is
        model = load(path, backend=backend, dtype=dtype)
    try:
        facts = task_facts(model)
        find_task(facts["name"], {}).require_fit(model, path)
        require_facts(model)
    except CheckpointError as error:
        raise CheckpointError(f"{path!r}: {error}") from error
    return model, find_task(facts["name"], facts)


def tell_non_finite(model: Layer, path: str) -> None:
    """Say which of a model's weights are no numbers, though what it gave was."""
    found = non_finite_text(model.parameters())
    if found:
        say(f"lamina: warning: {path!r}: {found}", error=True)
