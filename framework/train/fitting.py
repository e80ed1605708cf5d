"""What `Trainer.fit` makes of its arguments before anything changes."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np

from lamina.core.arguments import whole
from lamina.core.layer import Layer
from lamina.data.buckets import bucket_order
from lamina.data.checks import named, read_data, require_tuple
from lamina.data.goals import Goal
from lamina.data.naming import Naming
from lamina.data.sources import is_source
from lamina.errors import ArgumentError
from lamina.train.batch_feed import BatchFeed
from lamina.train.feed_choice import feed_of, split_feed
from lamina.train.feeds import ArrayFeed, Feed, Order, RowFeed
from lamina.train.measuring import ROWS, names_of

__all__ = [
    "Given",
    "batch_sizes",
    "facts_of",
    "order_for",
    "read_given",
    "require_turns",
    "validation_of",
    "whole_feed",
]

NumpyArray: TypeAlias = np.ndarray[Any, Any]


class Given(NamedTuple):
    """Data to train on, and to validate on, read as far as a model that is not built can be known."""

    feed: Feed
    validation: Feed | None


def read_given(
    model: Layer,
    goals: tuple[Goal, ...],
    x: Any,
    y: Any,
    columns: dict[str, Any],
    validation_data: Any,
    split: tuple[float, Any, int],
    naming: Naming,
) -> Given:
    """Return the data that a `fit` is given.

    Parameters
    ----------
    model : Layer
    goals : tuple of Goal
    x, y : as for `Trainer.fit`
    columns : dict
        What `feed_of` takes beside them.
    validation_data : as for `Trainer.fit`
    split : (float, bool or labels, int)
        ``validation_split``, ``stratify`` and the seed.
    naming : Naming
        Learns what the targets name.

    Raises
    ------
    ShapeError, DTypeError, DataError, ArgumentError
    """
    feed = feed_of(model, x, y, outputs=names_of(goals), naming=naming, learns=True, **columns)
    share, stratify, seed = split
    if share:
        if validation_data is not None:
            raise ArgumentError("validation_split: expected none beside validation_data")
        return Given(*split_feed(feed, share, seed, stratify))
    if stratify is not False:
        raise ArgumentError("stratify: expected a validation_split to stratify")
    if validation_data is None:
        return Given(feed, None)
    with named("validation data"):
        return Given(feed, validation_of(model, goals, validation_data, naming))


def whole_feed(
    model: Layer, x: Any, y: Any, outputs: tuple[str, ...], given: dict[str, Any], naming: Naming
) -> ArrayFeed:
    """Return all rows of data in memory as one batch."""
    if is_source(x):
        raise ArgumentError(f"x: expected the rows of one batch, got a {type(x).__name__}: see fit")
    data = read_data(model, x, naming.learn(y), outputs=outputs, **given)
    return ArrayFeed(model, data, data.rows)


def validation_of(model: Layer, goals: tuple[Goal, ...], value: Any, naming: Naming) -> Feed:
    """Return the feed of ``validation_data``: a source, or a tuple of what is given to `fit` too."""
    outputs = names_of(goals)
    if not isinstance(value, (tuple, list)) and is_source(value):
        feed = feed_of(model, value, outputs=outputs, rows=ROWS, naming=naming)
        if not feed.begins_anew:
            raise ArgumentError("expected what can be gone through each epoch, got what can be once")
        return feed
    return feed_of(model, *require_tuple(value), outputs=outputs, rows=ROWS, naming=naming)


def require_turns(feed: Feed, epochs: int, shuffle: bool | None = None, bucket: bool = False) -> None:
    """Raise `ArgumentError` where data cannot be gone through so often, or batches were to be put in another order.

    Nothing is read before: what can be gone through once is still whole.
    """
    if epochs > 1 and not feed.begins_anew:
        raise ArgumentError(
            f"epochs: expected 1 for what can be gone through once, got {epochs}: pass steps_per_epoch, or a "
            "function that returns it anew"
        )
    if isinstance(feed, BatchFeed) and shuffle:
        raise ArgumentError("shuffle: expected none for batches, which come in the order that their source gives")
    if isinstance(feed, BatchFeed) and bucket:
        raise ArgumentError("bucket: expected rows, got batches, which hold what their source put together")


def order_for(feed: Feed, shuffle: bool | None, bucket: bool, generator: np.random.Generator) -> Order | None:
    """Return in which order the rows of a feed are taken; None for that in which they come.

    Raises
    ------
    ArgumentError
        If rows of like length were to be joined that have no lengths.
    """
    if isinstance(feed, BatchFeed):
        return None
    if not bucket:
        return None if shuffle is False else lambda rows, _: generator.permutation(rows)
    if shuffle is False:
        raise ArgumentError("bucket: expected shuffle, as batches of rows of like length take them in another order")
    assert isinstance(feed, (ArrayFeed, RowFeed))
    lengths = feed.data.lengths if isinstance(feed, ArrayFeed) else feed.source.lengths()
    if lengths is None or isinstance(lengths, tuple):
        raise ArgumentError("bucket: expected one array of lengths to put rows of like length together by")
    fixed = [shape[1] for shape in feed.model.input_shapes if len(shape) > 2 and shape[1] is not None]
    if fixed:
        raise ArgumentError(f"bucket: expected a model with an open time axis, got one built for {fixed[0]} steps")
    size, feed.shortens = feed.batch_size, True

    def order(_: int, own: NumpyArray | None) -> NumpyArray:
        found: NumpyArray = bucket_order(own, size, generator)
        return found

    return order


def batch_sizes(batch_size: Any, steps_per_epoch: Any, prefetch: Any) -> dict[str, Any]:
    """Return what `feed_of` takes of these, checked."""
    return {
        "batch_size": None if batch_size is None else whole("Trainer", "batch_size", batch_size),
        "steps_per_epoch": None if steps_per_epoch is None else whole("Trainer", "steps_per_epoch", steps_per_epoch),
        "prefetch": whole("Trainer", "prefetch", prefetch, least=0),
    }


def facts_of(trainer: Any, goals: tuple[Goal, ...], feed: Feed, truncate: int | None) -> dict[str, Any]:
    """Return what is noted on a model of how it is trained, as JSON can hold it."""
    facts: dict[str, Any] = {} if isinstance(feed, BatchFeed) else {"batch_size": feed.batch_size}
    facts |= {"seed": trainer.seed, "loss": repr(goals[0].loss)}
    if goals[0].name:
        facts["loss"] = {goal.name: None if goal.loss is None else repr(goal.loss) for goal in goals}
        facts["loss_weights"] = {goal.name: goal.weight for goal in goals}
    if truncate is not None:
        facts["truncate"] = truncate
    if feed.shortens:
        facts["bucket"] = True
    if trainer.accumulate != 1:
        facts["accumulate"] = trainer.accumulate
    if trainer.precision != "fp32":
        facts["precision"] = trainer.precision
    return facts
