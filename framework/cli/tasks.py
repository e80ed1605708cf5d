"""The four tasks by name, and a model file's."""

from __future__ import annotations

from typing import Any

from lamina.cli.classifier import Classify, Tag
from lamina.cli.numbers import Forecast, Regress
from lamina.cli.task import Task
from lamina.core.layer import Layer
from lamina.errors import ArgumentError, unknown

__all__ = ["find_task", "load_model", "task_facts"]

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


def task_facts(model: Layer) -> dict[str, Any]:
    """Return what a model knows of its task; a model that was not trained by the command line classifies."""
    facts = model.facts.get("task")
    return facts if isinstance(facts, dict) and "name" in facts else {"name": "classify"}


def columns_for(model: Layer, source: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return which columns of a .csv file are what: as given, else as in the file that the model was trained from."""
    known = task_facts(model).get("columns") if source.lower().endswith(".csv") else None
    return {**(known or {}), **given}


def load_model(path: str, backend: str | None, dtype: str | None) -> tuple[Layer, Task]:
    """Return the model in a file, and its task.

    Raises
    ------
    LaminaError
        If it cannot be loaded, or does not take and give what its task does.
    """
    from lamina.core.load import load

    model = load(path, backend=backend, dtype=dtype)
    facts = task_facts(model)
    task = find_task(facts["name"], facts)
    task.require_fit(model, path)
    return model, task
