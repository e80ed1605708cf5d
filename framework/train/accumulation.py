"""Gradients of several batches, or ranks, in one step: as of one batch of all their rows, its masks included."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lamina.backends import Array
from lamina.core.layer import Layer
from lamina.kinds.random import RandomLayer, rows_of_batch
from lamina.optimization.optimizer import Optimizer
from lamina.train.reduction import Reduction
from lamina.train.shares import Part

__all__ = ["Accumulation", "JointDraws", "draws_for"]


class Accumulation:
    """The gradients of some batches, each weighted by the terms over which its loss is a mean: see `Loss.terms`.

    With t_i of them in batch i, the gradient is sum_i t_i g_i / sum_i t_i: what the loss of all of them together
    has. The batches are weighted one by one, as they come, and the sum is divided at the end.

    Parameters
    ----------
    batches : int
        How many make a step.
    divides : bool
        Without it the gradients are added up as they are: those of sums, or of batches that have their shares already.
    reduction : Reduction, optional
        Where there are several ranks: each has parts of the batches.

    Attributes
    ----------
    divides : bool
    weighs : bool
        Whether the gradient of each batch is multiplied by its terms.
    count : int
        How many batches of the running step there were.
    """

    def __init__(self, batches: int, divides: bool = True, reduction: Reduction | None = None) -> None:
        self._wanted = batches
        self._reduction = reduction
        self.divides = divides
        self.weighs = divides and (batches > 1 or reduction is not None)
        self.count = 0
        self._terms = 0.0
        self._value: Any = None

    def weigh(self, gradient: Any, value: Array, terms: float) -> Any:
        """Count a batch, and return the gradient of its prediction as backward should get it."""
        if not self.weighs:
            self.add(value, terms)
            return gradient
        self.add(value * terms, terms)
        return gradient * terms

    def add(self, value: Array, terms: float) -> None:
        """Count a batch whose gradient and loss are weighted as they should be."""
        self._value = value if not self.count else self._value + value
        self._terms += terms
        self.count += 1

    def finish(self, optimizer: Optimizer) -> Array:
        """Divide the gradients of an optimizer's parameters, start anew, and return the loss of the batches."""
        value, terms = self._value, self._terms
        self.count, self._terms, self._value = 0, 0.0, None
        if self._reduction is not None:
            value, terms = self._reduction.reduce(value, terms)
        if self.weighs and terms:
            optimizer.scale_grad(1 / terms)
            value = value / terms
        return value


class JointDraws:
    """Lets the batches of a step draw the random masks that one batch of all their rows would draw.

    For each batch the random layers are set back to the call that the step began with, and its rows count as those
    after the batches before it. After the step each layer has had as many calls as in the batch with the most of them.
    Chunks of sequences are more steps of the same rows, and each is a call of its own. A rank's rows count as those
    after the rows of the ranks before it.

    Parameters
    ----------
    model : Layer
    in_chunks : bool
    """

    def __init__(self, model: Layer, in_chunks: bool = False) -> None:
        self._in_chunks = in_chunks
        self._layers = [layer for _, layer in model.walk() if isinstance(layer, RandomLayer)]
        self._draws: list[Any] = []
        self._starts: list[int] = []
        self._before = 0

    @contextmanager
    def part(self, rows: int, begins: bool, part: Part | None = None) -> Iterator[None]:
        """Return a context in which to compute the next batch of a step.

        Parameters
        ----------
        rows : int
            Of the batch.
        begins : bool
            Whether it is the step's first.
        part : Part, optional
            Where these rows lie in the batch of all ranks.
        """
        if not self._layers:
            yield
            return
        first, whole = (0, rows) if part is None else part[:2]
        if self._in_chunks:
            with rows_of_batch(first, rows):
                yield
            return
        if begins:
            self._draws = [layer._draws for layer in self._layers if layer._draws is not None]
            self._starts, self._before = [one.calls for one in self._draws], 0
        reached = [one.calls for one in self._draws]
        for one, start in zip(self._draws, self._starts, strict=True):
            one.calls = start
        try:
            with rows_of_batch(self._before + first, rows):
                yield
        finally:
            for one, most in zip(self._draws, reached, strict=True):
                one.calls = max(one.calls, most)
            self._before += whole


def draws_for(model: Layer, accumulate: int, in_chunks: bool, on_ranks: bool) -> JointDraws | None:
    """Return what lets batches draw as parts of one; None where each is a whole.

    Parameters
    ----------
    model : Layer
    accumulate : int
        How many batches, or chunks, make a step: chunks are no parts.
    in_chunks, on_ranks : bool
        Whether batches are cut along time, and whether ranks have parts of them.
    """
    return JointDraws(model, in_chunks) if on_ranks or (accumulate > 1 and not in_chunks) else None
