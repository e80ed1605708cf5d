"""What each output of a model is trained for: a loss, its share, and the metrics beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from lamina.core.arguments import instance, number
from lamina.errors import ArgumentError
from lamina.losses.loss import Loss
from lamina.metrics.choice import MetricLike, find_metrics
from lamina.metrics.metric import Metric

__all__ = ["Goal", "LossLike", "MetricsLike", "each_goal", "output_key", "read_goals"]

# One for a model of one output; one, or None, for each of several, in their order or by names given to them.
LossLike: TypeAlias = "str | Loss | Sequence[str | Loss | None] | Mapping[str, str | Loss | None]"
MetricsLike: TypeAlias = "MetricLike | Iterable[MetricLike] | Sequence[Any] | Mapping[str, Any]"


class Goal(NamedTuple):
    """What one output is trained for.

    Attributes
    ----------
    name : str
        The output's; empty where the model has one alone.
    loss : Loss or None
        None where the output is not trained.
    weight : float
        By which the loss is multiplied before those of all outputs are added up.
    metrics : list of Metric
    """

    name: str
    loss: Loss | None
    weight: float
    metrics: list[Metric]

    def named(self, figure: str) -> str:
        """Return what a figure of this output is called in a history."""
        return f"{self.name}_{figure}" if self.name else figure


def read_goals(loss: LossLike, loss_weights: Any = None, metrics: MetricsLike = ()) -> tuple[Goal, ...]:
    """Return the goals that a trainer is given: one, or one for each output.

    Outputs that are given no names by a dict are ``output_0``, ``output_1`` and so on.

    Raises
    ------
    UnknownNameError
        If a name is not registered.
    ArgumentError
        If something is not what it should be, or there are others for the metrics, or weights, than for the losses.
    """
    if isinstance(loss, (str, Loss)) or not isinstance(loss, (Mapping, Sequence)):
        one = _checked(loss)
        if loss_weights is not None:
            raise ArgumentError("Trainer: loss_weights need several losses, as in loss=(first, second)")
        return (Goal("", one, 1.0, find_metrics(metrics, getattr(one, "ignore_index", None))),)
    if not loss:
        raise ArgumentError("Trainer: expected a loss for each output, got none")
    names = tuple(loss) if isinstance(loss, Mapping) else tuple(map(_number_name, range(len(loss))))
    if not all(isinstance(name, str) and name for name in names):
        raise ArgumentError(f"Trainer: expected texts as names of outputs, got {list(names)!r}")
    losses = [None if own is None else _checked(own) for own in each_goal("loss", loss, names)]
    if all(own is None for own in losses):
        raise ArgumentError("Trainer: expected a loss for one output at least, got None for all")
    given = [1.0] * len(names) if loss_weights is None else each_goal("loss_weights", loss_weights, names)
    weights = [number("Trainer", "each of loss_weights", own, least=0) for own in given]
    each = [()] * len(names) if _is_none(metrics) else each_goal("metrics", metrics, names, filling=())
    goals = []
    for name, own, weight, measured in zip(names, losses, weights, each, strict=True):
        found = find_metrics(() if measured is None else measured, getattr(own, "ignore_index", None))
        goals.append(Goal(name, own, weight, found))
    figures = [goal.named(one) for goal in goals for one in ("loss", *(metric.name for metric in goal.metrics))]
    if len(set(figures)) < len(figures) or "loss" in figures:
        raise ArgumentError(f"Trainer: expected names of outputs that make figures of different names, got {figures}")
    return tuple(goals)


def each_goal(what: str, value: Any, names: tuple[str, ...], filling: Any = None) -> list[Any]:
    """Return what is given for each output, in their order.

    Parameters
    ----------
    what : str
        For the messages.
    value : sequence, or mapping by the outputs' names
        A mapping need not have all of them.
    names : tuple of str
    filling : what stands for an output that a mapping leaves out

    Raises
    ------
    ArgumentError
    """
    if isinstance(value, Mapping):
        strange = [name for name in value if name not in names]
        if strange:
            raise ArgumentError(f"{what}: expected some of the outputs {', '.join(names)}, got {strange[0]!r}")
        return [value.get(name, filling) for name in names]
    if isinstance(value, (str, bytes)) or not isinstance(value, (tuple, list)) or len(value) != len(names):
        got = f"{len(value)}" if isinstance(value, (tuple, list)) else type(value).__name__
        raise ArgumentError(f"{what}: expected a tuple of {len(names)}, one for each output, or a dict, got {got}")
    return list(value)


def output_key(what: str, name: str, index: int) -> str:
    """Return how messages call what an output is given: ``y['who']``, ``y[0]`` without a name, ``y`` of one alone."""
    if not name:
        return what
    return f"{what}[{index}]" if name == _number_name(index) else f"{what}[{name!r}]"


def _number_name(index: int) -> str:
    """Return what an output is called that was given no name."""
    return f"output_{index}"


def _checked(loss: Any) -> Loss:
    found: Loss = instance("Trainer", "loss", Loss.registry.create(loss), Loss)
    found.require_number("Trainer")
    return found


def _is_none(metrics: Any) -> bool:
    return isinstance(metrics, (tuple, list, Mapping)) and not metrics
