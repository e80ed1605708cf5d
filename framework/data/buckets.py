"""Batches of rows of like length, so that little of a batch is padding."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from lamina.core.arguments import instance, whole
from lamina.core.host import as_host
from lamina.errors import DTypeError, ShapeError

__all__ = ["bucket_order"]

NumpyArray: TypeAlias = np.ndarray[Any, Any]

# How many batches a bucket holds where nothing is said: the more, the less padding, and the less chance who meets whom.
_BATCHES = 32


def bucket_order(
    lengths: Any, batch_size: int, generator: np.random.Generator, bucket_size: int | None = None
) -> NumpyArray:
    """Return an order of the rows whose batches, cut one after another, hold rows of like length.

    The rows are shuffled and dealt into buckets; a bucket's rows are sorted by length, ties in their shuffled order,
    and cut into batches; then the batches of all buckets are shuffled. So which rows meet, and when, is new each time,
    and every row stands in the order once. Where the rows make no whole number of batches, the short one comes last,
    as it must to leave the others whole: its rows are of any length, drawn anew too.

    Parameters
    ----------
    lengths : (rows,) integers
    batch_size : int
    generator : numpy Generator
        The order follows from its state.
    bucket_size : int, optional
        The most rows that a bucket holds, made up to whole batches; 32 batches if not given. One batch sorts nothing:
        the order is that of a shuffle. All rows sort most.

    Returns
    -------
    ndarray of int64, shape (rows,)

    Raises
    ------
    ShapeError, DTypeError
        If lengths are no row of whole numbers.
    ArgumentError
        If a size is no whole number, a bucket is smaller than a batch, or the generator is none.

    Examples
    --------
    >>> lengths = np.array([9, 2, 8, 1, 7, 3])
    >>> order = bucket_order(lengths, 2, np.random.default_rng(5), bucket_size=6)
    >>> lengths[order].reshape(3, 2).tolist()
    [[8, 9], [1, 2], [3, 7]]
    """
    owner = "bucket_order"
    lengths = as_host(lengths, f"{owner}: lengths")
    if lengths.ndim != 1:
        raise ShapeError(f"{owner}: expected lengths (rows,), got {lengths.shape}")
    if lengths.dtype.kind not in "iu" and lengths.size:
        raise DTypeError(f"{owner}: expected whole numbers as lengths, got {lengths.dtype}")
    batch_size = whole(owner, "batch_size", batch_size)
    generator = instance(owner, "generator", generator, np.random.Generator)
    if bucket_size is None:
        bucket_size = _BATCHES * batch_size
    each = -(-whole(owner, "bucket_size", bucket_size, least=batch_size) // batch_size)
    rows = len(lengths)
    batches, short = -(-rows // batch_size), rows % batch_size
    order = generator.permutation(rows)
    whole_batches, last = [], order[:0]
    # Of nearly the same number of batches: a bucket of what is left would sort little.
    count = -(-batches // each)
    for number in range(count):
        start, stop = (batch_size * (place * batches // count) for place in (number, number + 1))
        bucket = order[start:stop]
        bucket = bucket[np.argsort(lengths[bucket], kind="stable")]
        if short and number + 1 == count:
            # Not always the longest rows: any of the batches may be the short one.
            place = batch_size * int(generator.integers(len(bucket) // batch_size + 1))
            last = bucket[place : place + short]
            bucket = np.concatenate([bucket[:place], bucket[place + short :]])
        whole_batches.append(bucket.reshape(-1, batch_size))
    if not whole_batches:
        return np.zeros(0, np.int64)
    shuffled = generator.permutation(np.concatenate(whole_batches))
    return np.concatenate([shuffled.reshape(-1), last]).astype(np.int64, copy=False)
