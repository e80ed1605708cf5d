"""What is measured over the batches of an epoch: losses and metrics, of this process's rows or of all ranks'."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np

from lamina.backends import Array, Backend
from lamina.core.lengths import each_lengths
from lamina.data.goals import Goal
from lamina.errors import CheckpointError
from lamina.metrics.metric import Metric
from lamina.train.batches import Batch
from lamina.train.ranks import Ranks

__all__ = ["Mean", "Meter", "listed"]


class Mean:
    """The mean of batches' losses, weighted by the terms that each is a mean over, see `Loss.terms`.

    So it is that of all rows in one batch, however they were cut. It is kept on the device until it is asked for.

    Parameters
    ----------
    backend : Backend
    summed : bool
        Whether each is a sum, and they are added up.
    """

    def __init__(self, backend: Backend, summed: bool = False) -> None:
        self._backend = backend
        self._on_host = backend.on_host
        self._double = backend.dtype("float64")
        self._summed = summed
        self._sum: Any = 0.0 if self._on_host else backend.zeros((), self._double)
        self._terms = 0.0

    def add(self, loss: Array, terms: float) -> None:
        """Count one batch; one without terms counts nothing, whatever its loss."""
        if terms:
            backend = self._backend
            value = backend.item(loss) if self._on_host else backend.astype(loss, self._double)
            self._sum = self._sum + (value if self._summed else value * terms)
            self._terms += terms

    def state(self) -> tuple[Any, float]:
        """Return what was counted."""
        return self._sum, self._terms

    def put(self, state: tuple[Any, float]) -> None:
        """Go on from what `state` returned."""
        total, terms = state
        self._sum, self._terms = total if self._backend.is_array(total) else float(total), float(terms)

    def merge(self, state: tuple[Any, float]) -> None:
        """Count what another's `state` returned too."""
        total, terms = state
        self._sum, self._terms = self._sum + total, self._terms + float(terms)

    @property
    def counts(self) -> bool:
        """Whether anything was counted."""
        return self._terms > 0

    def result(self) -> float:
        """Return the mean so far, NaN where nothing was counted; waits for the device."""
        if not self._terms:
            return math.nan
        total = self._backend.item(self._sum)
        return total if self._summed else total / self._terms


class Meter:
    """The figures of many batches: of each output its loss and metrics, and the sum of the losses.

    Parameters
    ----------
    backend : Backend
    goals : tuple of Goal
        Their metrics gather what is added here; they are reset.
    state : optional
        What `state` gave, to go on from; or a list of what it gave on several ranks.
    """

    def __init__(self, backend: Backend, goals: tuple[Goal, ...], state: Any = None) -> None:
        self._backend = backend
        self._goals = goals
        self._means = [Mean(backend, getattr(goal.loss, "reduction", "mean") == "sum") for goal in goals]
        self._measured: list[tuple[Metric, int]] = []
        for index, goal in enumerate(goals):
            for metric in goal.metrics:
                metric.reset()
                self._measured.append((metric, index))
        if state is not None:
            self._put(state)

    def _put(self, state: Any) -> None:
        """Go on from what `state` returned, or several did: what was counted here before is forgotten."""
        try:
            (means, metrics), *others = listed(state)
            for mean, own in zip(self._means, means, strict=True):
                mean.put(own)
            for (metric, _), own in zip(self._measured, metrics, strict=True) if metrics is not None else ():
                metric.load_state_dict(own)
                metric.so_far()  # what it makes nothing of is none
            for means, metrics in others:
                for mean, own in zip(self._means, means, strict=True):
                    mean.merge(own)
                for (metric, _), own in zip(self._measured, metrics, strict=True) if metrics is not None else ():
                    other = copy.deepcopy(metric)
                    other.reset()
                    other.load_state_dict(own)
                    metric.merge(other)
        except (TypeError, ValueError, AttributeError, IndexError, ArithmeticError) as error:
            raise CheckpointError(f"state does not fit what is measured: {error}") from error

    def state(self) -> tuple[list[Any], list[Any]]:
        """Return what was gathered so far: of the means, and of the metrics."""
        return [mean.state() for mean in self._means], [metric.state_dict() for metric, _ in self._measured]

    def join(self, ranks: Ranks | None) -> None:
        """Count what all ranks have counted: in their order, so that all come to the same."""
        if ranks is not None:
            self._put(ranks.every(self.state(), self._backend))

    def add(
        self, values: tuple[Array, ...], terms: tuple[float, ...], prediction: Any, batch: Batch, lengths: Any
    ) -> None:
        """Count one batch, whose outputs have these lengths: an array, None, or a tuple of them."""
        for mean, value, count in zip(self._means, values, terms, strict=True):
            mean.add(value, count)
        if not self._measured:
            return
        count = len(self._goals)
        several, weights = bool(self._goals[0].name), batch.weights
        outputs, targets = (prediction, batch.target) if several else ((prediction,), (batch.target,))
        ends = each_lengths(lengths, count)
        for metric, index in self._measured:
            own = weights[index] if several and weights is not None else weights
            if own is None:
                metric.update(outputs[index], targets[index], ends[index], self._backend)
            else:
                metric.update(outputs[index], targets[index], ends[index], self._backend, sample_weight=own)

    def results(self, ended: bool = True) -> dict[str, Any]:
        """Return the figures by name; so far, and without arrays, where not all batches ``ended``."""
        goals = self._goals
        if not goals[0].name:
            figures: dict[str, Any] = {"loss": self._means[0].result()}
        else:
            trained = [(goal, mean) for goal, mean in zip(goals, self._means, strict=True) if goal.loss is not None]
            counted = [(goal, mean.result()) for goal, mean in trained if mean.counts]
            figures = {"loss": sum(goal.weight * value for goal, value in counted) if counted else math.nan}
            figures |= {goal.named("loss"): mean.result() for goal, mean in trained}
        for metric, index in self._measured:
            if ended or not metric.gives_array:
                figure = metric.result() if ended else metric.so_far()
                figures[goals[index].named(metric.name)] = np.asarray(figure) if metric.gives_array else float(figure)
        return figures


def listed(state: Any) -> list[Any]:
    """Return states of a meter: one, or those of several ranks."""
    return state if isinstance(state, list) else [state]
