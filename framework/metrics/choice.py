"""Which metrics there are to be: named, made, or plain functions."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from lamina.errors import ArgumentError
from lamina.metrics.function import FunctionMetric
from lamina.metrics.metric import Metric

__all__ = ["MetricLike", "find_metrics"]

# A name, a metric, or a plain function of prediction and target.
MetricLike: TypeAlias = "str | Metric | Callable[..., Any]"

_RESERVED = ("epoch", "loss", "learning_rate", "seconds")


def find_metrics(metrics: MetricLike | Iterable[MetricLike], ignore_index: int | None = None) -> list[Metric]:
    """Return metrics for names, metrics and plain functions.

    Parameters
    ----------
    metrics : one of them, or several
    ignore_index : int, optional
        The loss's: metrics that take one and have none get it. An object of the caller's stays as it is: where it
        has none, a copy of it is returned.

    Raises
    ------
    UnknownNameError
        If a name is not registered.
    ArgumentError
        If something is none of these, or two have the same name.
    """
    if isinstance(metrics, (str, Metric)) or callable(metrics):
        metrics = (metrics,)
    if not isinstance(metrics, Iterable):
        raise ArgumentError(f"metrics: expected names, metrics or functions, got {metrics!r}")
    found: dict[str, Metric] = {}
    for given in metrics:
        if isinstance(given, str):
            cls: Callable[..., Metric] = Metric.registry.find(given)
            takes = ignore_index is not None and "ignore_index" in inspect.signature(cls).parameters
            metric = cls(ignore_index=ignore_index) if takes else cls()
        elif isinstance(given, Metric):
            metric = given
            if ignore_index is not None and getattr(given, "ignore_index", ignore_index) is None:
                metric = copy.deepcopy(given)
                vars(metric)["ignore_index"] = ignore_index
        elif callable(given) and not isinstance(given, type):
            metric = FunctionMetric(given, ignore_index)
        else:
            hint = f": write {given.__name__}()" if isinstance(given, type) else ""
            raise ArgumentError(f"metrics: expected a name, a Metric or a function, got {given!r}{hint}")
        if not isinstance(metric.name, str) or not metric.name:
            raise ArgumentError(f"metrics: expected a text as the .name of {metric!r}, got {metric.name!r}")
        if metric.name in found or metric.name in _RESERVED or metric.name.startswith("val_"):
            raise ArgumentError(f"metrics: the name {metric.name!r} is taken: give one of them another .name")
        found[metric.name] = metric
    return list(found.values())
