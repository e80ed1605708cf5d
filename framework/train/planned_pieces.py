"""What planned steps take of the data, and what came of it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from lamina.core.layer import Layer
from lamina.core.lowering import NotPlanned
from lamina.data.shapes import Data
from lamina.train.shares import Part

__all__ = ["NumpyArray", "Piece", "Taken", "common_lengths"]

NumpyArray = np.ndarray[Any, Any]


class Taken(NamedTuple):
    """A step that was taken.

    Attributes
    ----------
    batch : Batch
        None where nothing is measured beside the loss.
    values : tuple of array or None
        Each output's loss, 0-d; None where it is not trained.
    terms : tuple of float
        Over how many terms each is a mean.
    prediction : array, a tuple of them, or None
    lengths : array or None
        Of the prediction; a tuple for several outputs.
    ended : array or None
        The loss of the step that ended with it, 0-d; None where more batches belong to the step.
    """

    batch: Any
    values: tuple[Any, ...]
    terms: tuple[float, ...]
    prediction: Any
    lengths: Any
    ended: Any


class Piece(NamedTuple):
    """What a run of the plan takes.

    Attributes
    ----------
    rows : (rows,) integers
    ends : array or None
        Their lengths, within the steps.
    steps : slice
        Of all of time: from 0 to the end, or a chunk of it.
    number : int
        Of the batch, from 0.
    shares : tuple of float, or None
        See `Batch`.
    part : Part or None
        See `Batch`.
    """

    rows: NumpyArray
    ends: NumpyArray | None
    steps: slice
    number: int
    shares: tuple[float, ...] | None = None
    part: Part | None = None


def common_lengths(data: Data, model: Layer) -> NumpyArray | None:
    """Return the lengths that all inputs with steps have.

    Raises
    ------
    NotPlanned
        If they have lengths of their own.
    """
    given: Any = data.lengths
    if not isinstance(given, tuple):
        found: NumpyArray | None = given
        return found
    first = next((own for own in given if own is not None), None)
    for index, (x, own) in enumerate(zip(data.inputs, given, strict=True)):
        has_steps = x.ndim > (1 if model.reads_integers(index) else 2)
        unlike = own is not None and first is not None and not np.array_equal(own, first)
        if unlike or (has_steps and (own is None) != (first is None)):
            raise NotPlanned("its inputs have lengths of their own")
    return first
