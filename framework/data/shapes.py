"""Training data as arrays, and the shapes that they ask of a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from lamina.core.layer import Layer
from lamina.core.lengths import each_lengths, lengths_after
from lamina.core.shapes import Shape, as_tuple
from lamina.errors import ShapeError

__all__ = [
    "Data",
    "OutputShapes",
    "build_for",
    "cut_rows",
    "fits_as_built",
    "output_shape",
    "picked",
    "restored_on_error",
    "shortened",
]

NumpyArray: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Data:
    """Rows to train on or to predict for, on the host.

    Attributes
    ----------
    inputs : tuple of ndarray
        One for each input of the model.
    target : ndarray or None
        A tuple of them where the model has several outputs; so are the other two of targets.
    lengths : (batch,) int64, a tuple of one such, or None, for each input, or None
    target_lengths : (batch,) int64 or None
        Where the targets came as a list of sequences.
    ragged : bool
        Whether an input came as a list of sequences of unequal length.
    weights : (batch,) or (batch, time) float, or None
        With what weight each row, or step, counts.
    """

    inputs: tuple[NumpyArray, ...]
    target: Any = None
    lengths: Any = None
    target_lengths: Any = None
    ragged: bool = False
    weights: Any = None

    @property
    def rows(self) -> int:
        """The number of rows."""
        return int(self.inputs[0].shape[0])  # not every backend's arrays have a length

    def take(self, rows: Any) -> Data:
        """Return some of the rows, by a slice or by their numbers."""
        return Data(
            tuple(array[rows] for array in self.inputs),
            picked(self.target, rows),
            picked(self.lengths, rows),
            picked(self.target_lengths, rows),
            self.ragged,
            picked(self.weights, rows),
        )

    @property
    def is_full(self) -> bool:
        """Whether no row is shorter than the time axis."""
        each = zip(self.inputs, each_lengths(self.lengths, len(self.inputs)), strict=True)
        return all(own is None or bool((own == x.shape[1]).all()) for x, own in each)


def picked(value: Any, rows: Any) -> Any:
    """Return some rows of an array, or of each array of a tuple; None stays None."""
    if isinstance(value, tuple):
        return tuple([None if one is None else one[rows] for one in value])
    return None if value is None else value[rows]


@contextmanager
def restored_on_error(model: Layer) -> Iterator[None]:
    """Undo the building of a model if the block raises; one that was built before is left alone."""
    before = (
        []
        if model.is_built
        else [(vars(layer), {**vars(layer), "_record": layer._record.copy()}) for _, layer in model.walk()]
    )
    try:
        yield
    except BaseException:
        for attributes, earlier in before:
            attributes.clear()
            attributes.update(earlier)
        raise


def build_for(model: Layer, data: Data, seed: int) -> None:
    """Build a model for data, on the default backend and in float32, unless it is built.

    Batch and time are left open. Where that cannot be, as a layer such as Flatten needs a fixed time, the
    time is the data's, provided that all rows are full.

    Raises
    ------
    ShapeError
        If the layers do not fit the data.
    """
    if model.is_built:
        return
    opened = [_open_shape(array, model.reads_integers(index)) for index, array in enumerate(data.inputs)]
    try:
        _build(model, opened, seed)
    except ShapeError as error:
        fixed: list[Shape] = [(None, *array.shape[1:]) for array in data.inputs]
        if fixed == opened:
            raise
        if not data.is_full:
            raise ShapeError(
                f"{error}; rows differ in length, so the time is left open: build the model first if it is fixed"
            ) from error
        _build(model, fixed, seed)


def fits_as_built(model: Layer, data: Data) -> bool:
    """Tell whether the inputs agree with every size that the model was built for."""
    for array, built in zip(data.inputs, model.input_shapes, strict=True):
        if array.ndim != len(built):
            return False
        for size, wanted in zip(array.shape[1:], built[1:], strict=True):
            if wanted not in (None, size):
                return False
    return True


def output_shape(model: Layer, data: Data) -> Any:
    """Return the shape, or the tuple of shapes, of a built model's output for all rows at once.

    Raises
    ------
    ShapeError
        If the inputs have a size that was fixed when the model was built, and matters.
    """
    shapes: Any = model.output_shape
    several = isinstance(shapes[0], tuple)
    if not fits_as_built(model, data) or any(None in shape[1:] for shape in (shapes if several else (shapes,))):
        shapes = model.build(*(array.shape for array in data.inputs))  # the parameters stay as they are
    return tuple((data.rows, *shape[1:]) for shape in shapes) if several else (data.rows, *shapes[1:])


class OutputShapes:
    """The shapes of a built model's outputs for data: found once for each size that they have.

    Parameters
    ----------
    model : Layer
    """

    def __init__(self, model: Layer) -> None:
        self._model = model
        self._known: dict[Any, Any] = {}

    def __call__(self, data: Data) -> Any:
        """Return what `output_shape` does."""
        key = tuple([array.shape[1:] for array in data.inputs])
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = output_shape(self._model, data)
        rows = data.rows
        several = isinstance(found[0], tuple)
        return tuple([(rows, *shape[1:]) for shape in found]) if several else (rows, *found[1:])


def shortened(data: Data, shape_of: Callable[[Data], Any], steps: Sequence[bool]) -> Data:
    """Return rows without the steps that are past the ends of all of them.

    Parameters
    ----------
    data : Data
        With one array of lengths.
    shape_of : callable
        Gives the outputs' shapes for data.
    steps : sequence of bool
        For each output whether its target has a time axis that is the output's.
    """
    time, longest = data.inputs[0].shape[1], max(1, int(data.lengths.max(initial=0)))
    if longest >= time:
        return data
    inputs = tuple([x[:, :longest] if x.ndim > 1 and x.shape[1] == time else x for x in data.inputs])
    cut = replace(data, inputs=inputs)
    before, after = shape_of(data), shape_of(cut)
    pairs = zip(before, after, strict=True) if isinstance(before[0], tuple) else ((before, after),)
    ends = [
        new[1] if own and len(new) > 2 and old[1] != new[1] else None
        for own, (old, new) in zip(steps, pairs, strict=True)
    ]
    return replace(cut, target=_cut(data.target, ends), weights=_cut(data.weights, ends))


def _cut(value: Any, ends: Sequence[int | None]) -> Any:
    if isinstance(value, tuple):
        return tuple([_cut(one, (end,)) for one, end in zip(value, ends, strict=True)])
    return value if value is None or ends[0] is None or value.ndim < 2 else value[:, : ends[0]]


def cut_rows(model: Layer, data: Data, outputs: Any) -> Any:
    """Return the outputs of ragged data: of each that has a time axis a list of rows, as long as they are."""
    if not data.ragged:
        return outputs
    after = as_tuple(lengths_after(model, data.lengths))
    cut = [
        array if own is None or array.ndim < 3 else [row[:length] for row, length in zip(array, own, strict=True)]
        for array, own in zip(as_tuple(outputs), after, strict=True)
    ]
    return tuple(cut) if isinstance(outputs, tuple) else cut[0]


def _open_shape(array: NumpyArray, integers: bool) -> Shape:
    """Return the shape to build for: batch and time open, the time being there for sequences alone."""
    if array.ndim > 2 or (array.ndim == 2 and integers and array.dtype.kind in "iu"):
        return (None, None, *array.shape[2:])
    return (None, *array.shape[1:])


def _build(model: Layer, shapes: list[Shape], seed: int) -> None:
    try:
        model.build(*shapes, seed=seed)
    except ShapeError as error:
        # Of the model itself, by the number of its inputs: see `require_count`.
        counted = isinstance(error.__cause__, TypeError) and str(error).startswith(f"{model.label}: expected ")
        if len(shapes) == 1 or not counted:
            raise
        raise ShapeError(
            f"{model.label}: does not take {len(shapes)} inputs: a tuple is several inputs, a list is rows"
        ) from error
