"""Gradient accumulation: one step from several batches, as from one batch of all their rows."""

from __future__ import annotations

from typing import Any

from lamina.backends import Array
from lamina.optimization.optimizer import Optimizer

__all__ = ["Accumulation"]


class Accumulation:
    """The gradients of some batches, each weighted by the terms over which its loss is a mean: see `Loss.terms`.

    With t_i of them in batch i, the gradient is sum_i t_i g_i / sum_i t_i: what the loss of all of them together
    has. The batches are weighted one by one, as they come, and the sum is divided at the end.

    Parameters
    ----------
    batches : int
        How many make a step.
    """

    def __init__(self, batches: int) -> None:
        self._wanted = batches
        self._count = 0
        self._terms = 0.0
        self._value: Any = None

    @property
    def empty(self) -> bool:
        """Whether the next batch is the first one of a step."""
        return self._count == 0

    @property
    def full(self) -> bool:
        """Whether there are as many batches as make a step."""
        return self._count == self._wanted

    def weigh(self, gradient: Array, value: Array, terms: float) -> Array:
        """Count a batch, and return the gradient of its prediction as backward should get it."""
        self._count += 1
        if self._wanted == 1:
            self._value = value
            return gradient
        weighted = value * terms
        self._value = weighted if self._count == 1 else self._value + weighted
        self._terms += terms
        return gradient * terms

    def finish(self, optimizer: Optimizer) -> Array:
        """Divide the gradients of an optimizer's parameters, start anew, and return the loss of the batches."""
        value, terms = self._value, self._terms
        self._count, self._terms, self._value = 0, 0.0, None
        if self._wanted > 1 and terms:
            optimizer.scale_grad(1 / terms)
            value = value / terms
        return value
