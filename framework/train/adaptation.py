"""Before a model is trained for the first time: the layers in it that measure the data do so."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import TypeAlias

from lamina.backends import Array
from lamina.core.layer import Layer
from lamina.core.shapes import Lengths
from lamina.errors import ArgumentError
from lamina.kinds.adapting import AdaptingLayer, Reached, showing
from lamina.kinds.moments import Moments, steps_of
from lamina.train.batch_feed import BatchFeed
from lamina.train.feeds import Feed

__all__ = ["adapt_layers", "require_adapted", "require_measurable"]

# What was measured of each layer, by its id.
_Found: TypeAlias = dict[int, tuple[AdaptingLayer, Moments]]


def adapt_layers(model: Layer, feed: Feed) -> None:
    """Adapt the layers that are not, one after the other, to what they are given when the data go through the model.

    Each pass ends where it reaches one that is not adapted yet; the first such is adapted, and has a say in what those
    behind it are given. One that is called several times in a pass measures what it is given first.

    Raises
    ------
    DataError
        If what one is given holds NaN or infinity.
    """
    waiting = _waiting(model)
    while waiting:
        found: _Found = {}

        with showing(waiting, partial(_measure, found)), closing(feed.counted()) as taken:
            for batch in taken:
                try:
                    model.infer(*batch.inputs, **batch.options)
                except Reached:
                    continue
        if not found:
            return  # the model does not call them
        layer, moments = next(iter(found.values()))
        if moments.steps:
            layer.take(moments)
        waiting = [one for one in waiting if one is not layer]


def require_measurable(model: Layer, feed: Feed) -> None:
    """Raise `ArgumentError` where a layer is to measure data that can be gone through once alone."""
    waiting = _waiting(model) if isinstance(feed, BatchFeed) and not feed.source.begins_anew else ()
    if waiting:
        raise ArgumentError(
            f"{waiting[0].label}: measures the data before training, and these can be gone through once: adapt it first"
        )


def require_adapted(model: Layer) -> None:
    """Raise `ArgumentError` where a layer has not measured any data, and one batch is not what it should."""
    waiting = _waiting(model)
    if waiting:
        raise ArgumentError(f"{waiting[0].label}: measures the data before training, not one batch of them: adapt it")


def _waiting(model: Layer) -> list[AdaptingLayer]:
    """Return the layers that have not measured any data."""
    return [layer for _, layer in model.walk() if isinstance(layer, AdaptingLayer) and not layer.is_adapted]


def _measure(found: _Found, layer: AdaptingLayer, x: Array, lengths: Lengths | None) -> None:
    """Take in what a layer is given, and end the pass."""
    _, moments = found.setdefault(id(layer), (layer, Moments(x.shape[-1])))
    for block in steps_of(layer.label, layer.backend.to_numpy(x), lengths):
        moments.add(block)
    raise Reached
