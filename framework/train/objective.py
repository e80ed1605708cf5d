"""What is made small over a batch: the loss of one output, or those of several together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from lamina.backends import Array, Backend
from lamina.core.layer import Layer
from lamina.core.lengths import each_lengths, lengths_after
from lamina.core.shapes import as_tuple
from lamina.data.goals import Goal
from lamina.data.shapes import Data, OutputShapes
from lamina.losses.loss import Loss
from lamina.train.batches import Batch
from lamina.train.ranks import Ranks

__all__ = ["JointObjective", "Objective", "Term", "objective_for", "shared_out", "shares_of"]


class Term(NamedTuple):
    """One output of a batch beside its target.

    Attributes
    ----------
    loss : Loss
    prediction, target : array
    options : dict
        ``lengths``, and ``mask`` where rows, or steps, have weights.
    factor : float
        By which the loss is multiplied.
    name : str
        The output's, where there are several.
    """

    loss: Loss
    prediction: Array
    target: Array
    options: dict[str, Any]
    factor: float
    name: str = ""


class Objective:
    """The loss of a model's one output.

    Parameters
    ----------
    goal : Goal

    Attributes
    ----------
    goals : tuple of Goal
    divides : bool
        Whether the gradients of a step's batches are added up by their terms and divided by the sum.
    """

    def __init__(self, goal: Goal) -> None:
        assert goal.loss is not None
        self.goals: tuple[Goal, ...] = (goal,)
        self._loss = goal.loss
        self.divides = goal.loss.reduction != "sum"

    def forward(
        self, backend: Backend, prediction: Any, batch: Batch, lengths: Any
    ) -> tuple[Array, tuple[Array, ...], Any]:
        """Return a batch's loss, the loss of each output, and the state `backward` needs."""
        loss, weights = self._loss, batch.weights
        if weights is None:
            value, saved = loss.forward_on(backend, prediction, batch.target, lengths=lengths)
        else:
            value, saved = loss.forward_on(backend, prediction, batch.target, lengths=lengths, mask=weights)
        return value, (value,), saved

    def backward(self, saved: Any) -> Any:
        """Return the gradient of the model's output."""
        return self._loss.backward(saved)

    def terms(self, prediction: Any, batch: Batch, lengths: Any) -> tuple[float, ...]:
        """Return over how many terms each output's loss is a mean."""
        if batch.weights is None:
            return (self._loss.terms(prediction, batch.counted, lengths),)
        return (self._loss.terms(prediction, batch.counted, lengths, batch.weights),)

    def each(self, prediction: Any, batch: Batch, lengths: Any) -> Iterator[Term]:
        """Yield what each loss is of."""
        options = {"lengths": lengths} if batch.weights is None else {"lengths": lengths, "mask": batch.weights}
        yield Term(self._loss, prediction, batch.target, options, 1.0)


class JointObjective(Objective):
    """The losses of a model's several outputs, each by its weight, added up.

    Each is a mean over its own terms: batches that make a step together have their shares of them, see `shared_out`.

    Parameters
    ----------
    goals : tuple of Goal
    """

    def __init__(self, goals: tuple[Goal, ...]) -> None:
        self.goals = goals
        self.divides = False

    def forward(
        self, backend: Backend, prediction: Any, batch: Batch, lengths: Any
    ) -> tuple[Array, tuple[Array, ...], Any]:
        """Return the losses' sum, each of them, and the state `backward` needs."""
        values: list[Any] = []
        total: Any = None
        saved: list[Any] = []
        for index, term in enumerate(self._each(prediction, batch, lengths)):
            if term is None:
                values.append(None)
                saved.append((None, prediction[index].shape, prediction[index].dtype))
                continue
            value, content = term.loss.forward_on(backend, term.prediction, term.target, **term.options)
            values.append(value)
            saved.append((term.loss, content, term.factor))
            total = value * term.factor if total is None else total + value * term.factor
        return total, tuple(values), (backend, saved)

    def backward(self, saved: Any) -> Any:
        """Return the gradients of the model's outputs."""
        backend, each = saved
        gradients = []
        for loss, content, factor in each:
            if loss is None:
                gradients.append(backend.zeros(content, factor))
                continue
            gradient = loss.backward(content)
            gradients.append(gradient if factor == 1 else gradient * factor)
        return tuple(gradients)

    def terms(self, prediction: Any, batch: Batch, lengths: Any) -> tuple[float, ...]:
        """Return over how many terms each output's loss is a mean; 0 where an output has none."""
        found = []
        weights = batch.weights or (None,) * len(self.goals)
        ends = each_lengths(lengths, len(weights))
        each = zip(self.goals, as_tuple(prediction), batch.counted, ends, weights, strict=True)
        for goal, output, target, own, weight in each:
            if goal.loss is None or target is None:
                found.append(0.0)
            elif weight is None:
                found.append(goal.loss.terms(output, target, own))
            else:
                found.append(goal.loss.terms(output, target, own, weight))
        return tuple(found)

    def each(self, prediction: Any, batch: Batch, lengths: Any) -> Iterator[Term]:
        """Yield what each loss is of."""
        yield from (term for term in self._each(prediction, batch, lengths) if term is not None)

    def _each(self, prediction: Any, batch: Batch, lengths: Any) -> Iterator[Term | None]:
        count = len(self.goals)
        weights, shares = batch.weights or (None,) * count, batch.shares or (1.0,) * count
        each = zip(self.goals, prediction, batch.target, each_lengths(lengths, count), weights, shares, strict=True)
        for goal, output, target, own, weight, share in each:
            if goal.loss is None or target is None:
                yield None
                continue
            options = {"lengths": own} if weight is None else {"lengths": own, "mask": weight}
            factor = goal.weight if goal.loss.reduction == "sum" else goal.weight * share
            yield Term(goal.loss, output, target, options, factor, goal.name)


def shared_out(
    model: Layer, objective: JointObjective, taken: Iterable[Batch], count: int, ranks: Ranks | None = None
) -> Iterator[Batch]:
    """Yield batches, so many a step, each with its shares of the terms of the step, output by output, on all ranks.

    Each output's loss is a mean over its own terms, so that one sum of gradients cannot be divided by all of them: what
    a step's batches have is counted before the first of them is computed.
    """
    following, shape_of = iter(taken), OutputShapes(model)
    while step := list(islice(following, count)):
        found = []
        for batch in step:
            shapes = shape_of(Data(batch.inputs))
            lengths = lengths_after(model, batch.options.get("lengths"))
            found.append(objective.terms(tuple(_Shaped(shape) for shape in shapes), batch, lengths))
        for batch, shares in zip(step, shares_of(found, ranks), strict=True):
            yield batch._replace(shares=shares)


def shares_of(terms: list[tuple[float, ...]], ranks: Ranks | None = None) -> list[tuple[float, ...]]:
    """Return each batch's share, output by output, of the terms of all of them, on all ranks."""
    totals: Sequence[float] = [sum(column) for column in zip(*terms, strict=True)]
    totals = totals if ranks is None else ranks.totals(*totals)
    return [tuple(one / total if total else 0.0 for one, total in zip(own, totals, strict=True)) for own in terms]


class _Shaped:
    """A prediction of which the shape alone is known."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape


def objective_for(goals: tuple[Goal, ...]) -> Objective:
    """Return what is made small for the goals of a trainer."""
    return JointObjective(goals) if goals[0].name else Objective(goals[0])
