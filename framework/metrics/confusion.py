"""The confusion matrix: what was taken for what."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from lamina.backends import Array, Backend
from lamina.core.labels import as_label
from lamina.core.registry import register
from lamina.core.shapes import Lengths
from lamina.metrics.labels import Labelled
from lamina.metrics.weights import add_up

__all__ = ["ConfusionMatrix"]

NumpyArray = np.ndarray[Any, Any]


@register
class ConfusionMatrix(Labelled):
    """How many rows, or steps, of each class (axis 0) were taken for each class (axis 1).

    Where logits of a row are NaN, or the largest is an infinity, it was taken for none: these rows stand in one more
    column, the last, which is there only where there are such rows.

    Its result is an array: of a `Trainer`'s, those of all epochs stand in ``history.arrays["confusion_matrix"]``, and
    that of `Trainer.evaluate` in what it returns. With sample weights it holds their sums, as float64.

    Parameters
    ----------
    ignore_index : int, optional
        A label that marks rows, or steps, that do not count; see `Accuracy`.

    Examples
    --------
    >>> ConfusionMatrix()([[2.0, 0.0], [2.0, 0.0], [0.0, 1.0]], [0, 1, 1])
    array([[1, 0],
           [1, 1]])
    """

    gives_array = True

    def __init__(self, ignore_index: int | None = None) -> None:
        self.ignore_index = as_label(self, "ignore_index", ignore_index)
        self.reset()

    sums: ClassVar[tuple[str, ...]] = ("_matrix",)

    def reset(self) -> None:
        """Forget all batches."""
        super().reset()
        self._matrix: Any = 0  # (classes, classes and none of them)
        self._backend: Backend | None = None

    def update(
        self,
        prediction: Array,
        target: Array,
        lengths: Lengths | None,
        backend: Backend,
        sample_weight: Array | None = None,
    ) -> None:
        """Count one batch; parameters and errors as for `Accuracy`."""
        xp, whole = backend.xp, backend.dtype("int64")
        rows = self.read(prediction, target, lengths, backend, sample_weight)
        classes = rows.logits.shape[1]
        numbers = xp.arange(classes + 1, dtype=whole)[None, :]
        actual = rows.labels[:, None] == numbers[:, :classes]
        if rows.counted is not None:
            actual = actual & rows.counted[:, None]
        taken = rows.largest(backend, xp.full_like(rows.labels, classes))
        # As products of floats, which are fast, and exact up to 2^53 rows.
        weight = xp.astype(actual, xp.float64)
        if rows.weight is not None:
            weight = weight * rows.weight[:, None]
        pairs = xp.matmul(weight.T, xp.astype(taken[:, None] == numbers, xp.float64))
        self._matrix = add_up(backend, self._matrix, pairs if rows.weight is not None else xp.astype(pairs, xp.int64))
        self._backend = backend

    def result(self) -> NumpyArray:
        """Return the matrix, (classes, classes) int64, on the host; (0, 0) before the first batch.

        It is float64 where rows have weights. Where rows were taken for no class, it is (classes, classes + 1).

        Raises
        ------
        DataError
            If a device found labels that are none of the classes.
        """
        self.require_classes()
        if self._backend is None:
            return np.zeros((0, 0), np.int64)
        matrix = np.array(self._backend.to_numpy(self._matrix))
        return matrix if matrix[:, -1].any() else matrix[:, :-1].copy()
