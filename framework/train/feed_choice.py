"""Which feed data are: read as arrays, by rows or by batches; split in two; kept on a device."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from lamina.core.arguments import number
from lamina.core.host import as_host
from lamina.core.layer import Layer
from lamina.data.checks import read_data
from lamina.data.classes import Classes
from lamina.data.naming import Naming
from lamina.data.sources import Batches, is_source, source_of
from lamina.errors import ArgumentError, DataError, ShapeError
from lamina.train.batch_feed import BatchFeed
from lamina.train.batches import hold
from lamina.train.feeds import ArrayFeed, Feed, RowFeed

__all__ = ["feed_of", "hold_arrays", "split_feed"]

NumpyArray: TypeAlias = np.ndarray[Any, Any]


def hold_arrays(*feeds: Feed | None) -> None:
    """Keep arrays on a device for all epochs, as far as they fit there; the first feeds first."""
    there = [feed for feed in feeds if isinstance(feed, ArrayFeed)]
    if there:
        for feed, held in zip(there, hold(there[0].model.backend, [feed.data for feed in there]), strict=True):
            feed.held = held


def feed_of(
    model: Layer,
    x: Any,
    y: Any = None,
    lengths: Any = None,
    sample_weight: Any = None,
    *,
    mask: Any = None,
    outputs: tuple[str, ...] = (),
    has_target: bool = True,
    naming: Naming | None = None,
    learns: bool = False,
    batch_size: int | None = None,
    steps_per_epoch: int | None = None,
    prefetch: int = 1,
    rows: int = 32,
) -> Feed:
    """Return what gives the batches of data, read so far as a model that is not built can be known.

    Parameters
    ----------
    model : Layer
    x, y, lengths, sample_weight, mask, outputs, has_target : as for `read_data`, or a source and nothing beside it
    naming : Naming, optional
        Of the classes that targets name.
    learns : bool
        Whether names may be new.
    batch_size : int, optional
        ``rows`` if not given. What gives batches itself takes none.
    steps_per_epoch : int, optional
        For what gives batches alone.
    prefetch : int
    rows : int

    Raises
    ------
    ShapeError, DTypeError, DataError, ArgumentError
    """
    given = {"lengths": lengths, "sample_weight": sample_weight, "mask": mask, "outputs": outputs}
    encode = None if naming is None else naming.learn if learns else naming.encode
    source = source_of(model, x, y, has_target=has_target, encode=encode, **given) if is_source(x) else None
    if isinstance(source, Batches):
        if batch_size is not None:
            raise ArgumentError(f"batch_size: expected none beside a {type(x).__name__}, which gives batches")
        return BatchFeed(model, source, prefetch, steps_per_epoch)
    if steps_per_epoch is not None:
        raise ArgumentError("steps_per_epoch: expected none where the number of rows is known")
    size = rows if batch_size is None else batch_size
    if source is not None:
        return RowFeed(model, source, size, prefetch)
    if has_target and y is None:
        raise ArgumentError("y: expected targets, got none: a list is rows, and iter(...) of it gives batches")
    if has_target and encode is not None:
        y = encode(y)
    return ArrayFeed(model, read_data(model, x, y, has_target=has_target, **given), size)


def split_feed(feed: Feed, share: float, seed: int, stratify: Any = False) -> tuple[Feed, Feed]:
    """Return two feeds of the same data: one to train on, and one of a share of the rows to validate on.

    The rows are drawn from the seed alone, so that a second call, and a second `fit`, holds out the same ones. Both
    parts keep the order of the data.

    Parameters
    ----------
    feed : Feed
    share : float
        From above 0 to below 1.
    seed : int
    stratify : bool, or (batch,) labels
        Whether each class, of the targets or of these labels, is to have its share in both parts.

    Raises
    ------
    ArgumentError
        If the data cannot be split, or a part would be empty.
    """
    share = number("fit", "validation_split", share, above=0, below=1)
    if not isinstance(feed, (ArrayFeed, RowFeed)):
        raise ArgumentError("validation_split: expected rows to split, got batches: pass validation_data")
    assert feed.rows is not None
    held_out = round(feed.rows * share)
    if not 0 < held_out < feed.rows:
        raise ArgumentError(
            f"validation_split: expected rows in both parts, got {held_out} of {feed.rows} for {share:g}"
        )
    generator = np.random.default_rng((seed, 1))  # another than that of the order of the rows
    rows = np.arange(feed.rows)
    if stratify is False:
        chosen = generator.permutation(feed.rows)[:held_out]
    else:
        chosen = _stratified(_labels(feed, stratify), held_out, generator)
    inside = np.zeros(feed.rows, bool)
    inside[chosen] = True
    parts = rows[~inside], rows[inside]
    if isinstance(feed, RowFeed):
        first, second = (RowFeed(feed.model, feed.source, feed.batch_size, feed.prefetch, one) for one in parts)
        return first, second
    train, validation = (ArrayFeed(feed.model, feed.data.take(one), feed.batch_size) for one in parts)
    return train, validation


def _labels(feed: ArrayFeed | RowFeed, stratify: Any) -> NumpyArray:
    """Return the label of each row by which a split is to be stratified."""
    if stratify is not True:
        given = stratify
    else:
        given = feed.data.target if isinstance(feed, ArrayFeed) else feed.source.targets()
        given = () if given is None or isinstance(given, (tuple, dict)) else given
    if isinstance(given, list) or not hasattr(given, "dtype") or getattr(given.dtype, "kind", "O") == "O":
        given = Classes.read(given, "stratify").encode(given, "stratify")  # or says what is missing
    labels = as_host(given, "stratify", "stratify: expected a label for each row, got rows of unequal length")
    if labels.ndim == 2 and labels.shape[1] == 1:  # as binary cross-entropy takes them
        labels = labels[:, 0]
    if labels.shape != (feed.rows,) or labels.dtype.kind in "fc":
        got = f"{labels.dtype} of shape {labels.shape}"
        raise ShapeError(
            f"stratify: expected a label for each of {feed.rows} rows, got {got}: pass the labels as stratify"
        )
    return labels


def _stratified(labels: NumpyArray, held_out: int, generator: np.random.Generator) -> NumpyArray:
    """Return so many rows, of each class its share: those that rounding leaves go where most is missing."""
    _, classes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    wanted = counts * (held_out / len(labels))
    taken = np.floor(wanted).astype(int)
    for index in np.argsort(taken - wanted, kind="stable")[: held_out - taken.sum()]:
        taken[index] += 1
    if (counts < 2).any():
        raise DataError("stratify: expected two rows at least of each class, got one of some")
    chosen = [generator.permutation(np.flatnonzero(classes == index))[:count] for index, count in enumerate(taken)]
    return np.concatenate(chosen)
