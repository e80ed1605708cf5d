"""Sequences whose valid steps lie anywhere, packed to the front, and results put back in their places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from lamina.core.arguments import whole
from lamina.core.host import as_host
from lamina.core.shapes import Lengths
from lamina.errors import DataError, DTypeError, ShapeError

__all__ = ["Places", "compact"]

NumpyArray: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False, repr=False)
class Places:
    """Where the valid steps of some rows lie: `pack` moves what belongs to them to the front, `restore` puts it back.

    Attributes
    ----------
    mask : ndarray of bool, shape (batch, time)
        The valid steps, as they lay.
    lengths : ndarray of int64, shape (batch,)
        How many each row has.
    packed : ndarray of bool, shape (batch, packed time)
        The valid steps, packed to the front.
    """

    mask: NumpyArray
    lengths: Lengths
    packed: NumpyArray

    def __repr__(self) -> str:
        return f"<Places {self.mask.shape} of {self.packed.shape}: {self.lengths.sum()} valid steps>"

    def pack(self, value: Any, fill: Any = 0) -> Any:
        """Return targets, weights or anything else that has a value for each step, packed as the inputs are.

        Parameters
        ----------
        value : array-like of shape (batch, time, ...), or a tuple of them
        fill : optional
            What stands past each row's end; a loss's ``ignore_index``, say.

        Returns
        -------
        ndarray of shape (batch, packed time, ...), or a tuple of them

        Raises
        ------
        ShapeError, DTypeError, DataError
        """
        return self._moved("pack", value, self.mask, self.packed, fill)

    def restore(self, value: Any, fill: Any = 0) -> Any:
        """Return what a model made of packed rows with each step in its place, and ``fill`` elsewhere.

        Parameters
        ----------
        value : array of shape (batch, packed time, ...), or a tuple of them
        fill : optional

        Returns
        -------
        ndarray of shape (batch, time, ...), or a tuple of them
            On the host.

        Raises
        ------
        ShapeError, DTypeError, DataError
        """
        return self._moved("restore", value, self.packed, self.mask, fill)

    def _moved(self, label: str, value: Any, source: NumpyArray, target: NumpyArray, fill: Any) -> Any:
        """Return an array's steps at ``source`` moved to ``target``: both name as many in each row, in order."""
        if isinstance(value, tuple):
            return tuple(self._moved(f"{label} [{i}]", one, source, target, fill) for i, one in enumerate(value))
        array = as_host(value, label)
        if array.shape[:2] != source.shape:
            batch, time = source.shape
            raise ShapeError(
                f"{label}: expected (batch, time, ...) with {batch} rows of {time} steps, got {array.shape}"
            )
        if array.dtype.kind not in "fiubc":
            raise DTypeError(f"{label}: expected numbers, got an array of {array.dtype}")
        try:
            if array.dtype.kind in "iub" and array.dtype.type(fill) != fill:
                raise ValueError(fill)
            moved = np.full((*target.shape, *array.shape[2:]), fill, array.dtype)
        except (ValueError, TypeError, OverflowError) as error:
            raise DTypeError(f"{label}: expected fill to be a value of {array.dtype}, got {fill!r}") from error
        moved[target] = array[source]
        return moved


def compact(x: Any, mask: Any, time: int | None = None) -> tuple[Any, Lengths, Places]:
    """Return rows with their valid steps packed to the front, their lengths, and what puts results back in place.

    For sequences that are padded on the left, or have holes: the layers take ``lengths``, and skip what lies past them.
    A step that is not valid is left out: the step after it follows the one before it.

    Parameters
    ----------
    x : array-like of shape (batch, time, ...), or a tuple of them
        Several inputs whose steps lie at the same places.
    mask : (batch, time) of bool, or of 1 and 0
        The valid steps.
    time : int, optional
        The size of the packed time axis; the number of steps of the longest row if not given.

    Returns
    -------
    x : ndarray of shape (batch, packed time, ...), or a tuple of them
        On the host, zero past each row's end.
    lengths : ndarray of int64, shape (batch,)
    places : Places
        Its ``pack`` does the same to targets and weights, its ``restore`` puts a model's results in their places.

    Raises
    ------
    ShapeError
        If the mask is not (batch, time) of every x, or a row has more than ``time`` valid steps.
    DTypeError, DataError
        If it is no mask.
    ArgumentError
        If ``time`` is no whole number of 0 or more.

    Examples
    --------
    >>> mask = [[False, True, True], [True, False, True]]
    >>> x, lengths, places = compact([[0, 1, 2], [3, 9, 4]], mask)
    >>> x.tolist(), lengths.tolist()
    ([[1, 2], [3, 4]], [2, 2])
    >>> places.restore(10 * x).tolist()
    [[0, 10, 20], [30, 0, 40]]
    """
    valid = _read_mask(mask)
    lengths: Lengths = np.count_nonzero(valid, axis=1).astype(np.int64)
    longest = int(lengths.max(initial=0))
    if time is None:
        time = longest
    elif whole("compact", "time", time, least=0) < longest:
        raise ShapeError(f"compact: expected at most {time} steps, got {longest} at row {int(lengths.argmax())}")
    places = Places(valid, lengths, np.arange(time) < lengths[:, None])
    return places._moved("compact", x, places.mask, places.packed, 0), lengths, places


def _read_mask(mask: Any) -> NumpyArray:
    """Return a mask as bool (batch, time), its own copy."""
    array = as_host(mask, "compact: mask")
    if array.ndim != 2:
        raise ShapeError(f"compact: expected a mask (batch, time), got {array.shape}")
    if array.dtype.kind not in "biuf":
        raise DTypeError(f"compact: expected a mask of True and False, got an array of {array.dtype}")
    valid = array.astype(bool)
    wrong = valid != array if array.dtype.kind != "b" else np.zeros(0, bool)
    if wrong.any():  # a weight, or what is added to an attention's scores
        row, step = (int(i) for i in np.argwhere(wrong)[0])
        raise DataError(f"compact: expected a mask of 1 and 0, got {array[row, step]} at row {row}, step {step}")
    return valid
