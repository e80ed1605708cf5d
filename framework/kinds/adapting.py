"""Layers that measure the training data before anything is trained: by `adapt`, or at a trainer's first fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Self

from lamina.backends import Array
from lamina.core.layer import Layer
from lamina.core.shapes import Lengths
from lamina.errors import DataError, ShapeError
from lamina.kinds.moments import Moments, steps_of

__all__ = ["AdaptingLayer", "Reached", "showing"]

Show = Callable[["AdaptingLayer", Array, "Lengths | None"], None]


class Reached(Exception):
    """A pass that was made to measure has come to a layer that shows what it is given: the rest need not run."""


class AdaptingLayer(Layer):
    """The base class of layers that take what they know from the data, and not from a gradient.

    They define `is_adapted` and `take`, and call `show` first in ``forward``. What they measure they keep in parameters
    that are not trained.
    """

    _kept: ClassVar[tuple[str, ...]] = ("adapt", "is_adapted", "show", "take")
    _show: Show | None = None

    @property
    def is_adapted(self) -> bool:
        """Whether the layer has measured any data, or was loaded so."""
        raise NotImplementedError(f"{type(self).__name__} does not define is_adapted")

    def take(self, moments: Moments) -> None:
        """Take mean and deviation over."""
        raise NotImplementedError(f"{type(self).__name__} does not define take")

    def adapt(self, x: Any, lengths: Any = None) -> Self:
        """Measure data, in float64, and return the layer; it may be built or not. What was measured before is dropped.

        Parameters
        ----------
        x : (batch, time, features) or (batch, features) array-like
            Or a list of (time_i, features) sequences of unequal length. The training rows alone: others would have a
            say in what they are to test.
        lengths : (batch,) integers, optional
            The number of valid steps of each row.

        Raises
        ------
        ShapeError, DTypeError, DataError
            If they are no such data, hold NaN or infinity, or have no step; or other features than the layer.
        """
        moments: Moments | None = None
        for block in steps_of(self.label, x, lengths):
            features = block.shape[-1]
            if moments is None:
                moments = Moments(features)
            if features != len(moments.mean):
                raise ShapeError(f"{self.label}: expected {len(moments.mean)} features, got {features}")
            moments.add(block)
        if moments is None or not moments.steps:
            raise DataError(f"{self.label}: expected a step to adapt to, got none: every row is empty")
        self.take(moments)
        return self

    def show(self, x: Array, lengths: Lengths | None) -> None:
        """Show an input to whoever measures, who ends the pass; nothing otherwise."""
        if self._show is not None:
            self._show(self, x, lengths)


@contextmanager
def showing(layers: Sequence[AdaptingLayer], show: Show) -> Iterator[None]:
    """Let layers show what they are given, as long as the context is open."""
    for layer in layers:
        layer._show = show
    try:
        yield
    finally:
        for layer in layers:
            layer._show = None
