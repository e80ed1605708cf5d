"""Connectionist temporal classification: label sequences without a place for each label."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends import Array
from lamina.core.arguments import flag, whole
from lamina.core.host import as_host
from lamina.core.lowering import Lowering, Value
from lamina.core.proven import proofs
from lamina.core.registry import register
from lamina.core.shapes import as_lengths
from lamina.errors import ArgumentError, DataError, DTypeError, ShapeError
from lamina.losses.kernel import EACH, PLAIN, KernelLoss
from lamina.losses.reading import read_prediction

__all__ = ["CTC"]


@register(aliases=("ctc_loss",))
class CTC(KernelLoss):
    r"""Connectionist temporal classification (Graves et al., 2006), from logits.

    A row's loss is -log of the probability of its label sequence: the sum, over all ways to spread the labels
    over the row's steps, of the product of softmax(logits) at each step. A way repeats a label for some steps and
    puts blanks between labels where it likes; between two equal labels there is a blank at least.

        loss = mean_b -log sum_a prod_t softmax(z_bt)_a(t)

    The mean is over the rows that have a step, weighted by a mask (batch,) where there is one; a row of length 0 does
    not count, whatever its target. (PyTorch's
    ``reduction="mean"`` divides each row's loss by the number of its labels first: this one does not.)

    Parameters
    ----------
    blank : int
        The class that stands for no label.
    padding : int
        What fills up the shorter label sequences of a target that is one array: a row's labels end at the first
        one, and what comes after it is not looked at. It may be the blank, which is no label.
    zero_infinity : bool
        A row of too few steps for its labels (n labels need n steps, and one more for each label that equals the
        one before) has probability 0. Its loss is infinite, and so is the mean; with ``zero_infinity`` it is 0.
        Its gradient is 0 either way.
    reduction : {"mean", "sum", "none"}
        See `Loss`; ``"none"`` gives (batch,).

    Raises
    ------
    ArgumentError
        If blank or padding is not a whole number, or blank is negative.

    Examples
    --------
    >>> import numpy as np
    >>> logits = np.log([[[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]]])
    >>> round(CTC()(logits, [[1]]), 4)  # -log(0.3 * 0.3 + 2 * 0.3 * 0.5)
    0.9416
    >>> round(CTC()(logits, np.array([[1, 2, -1]])), 4)  # -log(0.3 * 0.2)
    2.8134
    """

    over_rows = True
    masks_steps = False

    def __init__(
        self, blank: int = 0, padding: int = -1, zero_infinity: bool = False, *, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction=reduction)
        self.blank = whole(self, "blank", blank, least=0)
        self.padding = whole(self, "padding", padding, least=None)
        self.zero_infinity = flag(self, "zero_infinity", zero_infinity)

    @property
    def target_padding(self) -> int:
        """The padding: a row has as many labels as it has."""
        return self.padding

    def forward(
        self, prediction: Array, target: Any, lengths: Any = None, target_lengths: Any = None, *, mask: Any = None
    ) -> tuple[Array, Any]:
        """Return the loss and its saved state.

        Parameters
        ----------
        prediction : (batch, time, classes)
            Logits.
        target : integers (batch, labels), padded, or a list of label sequences
        lengths : (batch,) integers, optional
            The number of valid steps of each row; all of them if not given.
        target_lengths : (batch,) integers, optional
            The number of labels of each row; up to the first padding if not given.
        mask : (batch,), optional
            The weight with which each row counts; a mask of steps is refused.

        Returns
        -------
        loss : 0-d array, or (batch,) with ``reduction="none"``
        saved : for `backward`, which returns an array of the prediction's shape

        Raises
        ------
        ShapeError, DTypeError, DataError
        """
        backend, prediction, narrow = read_prediction(self, prediction)
        xp, shape = backend.xp, tuple(prediction.shape)
        if isinstance(target, np.ndarray) or not backend.is_array(target):
            target = as_host(self._as_array(target), f"{self.label} target")
        if not proofs.has(target, self):  # by the trainer, before training
            self.check_target(target, shape, lengths, mask, target_lengths=target_lengths)
        batch, time, _ = shape
        whole = backend.dtype("int64")
        labels = backend.astype(backend.asarray(target), whole)
        # A last column of padding: so that there is one in every row.
        labels = backend.concatenate([labels, backend.full((batch, 1), self.padding, whole)], 1)
        if target_lengths is None:
            width = labels.shape[1]
            places = xp.broadcast_to(xp.arange(width, dtype=whole)[None, :], (batch, width))
            counts = xp.min(xp.where(labels == self.padding, places, xp.full_like(places, width)), axis=1)
        else:
            counts = backend.asarray(
                as_lengths(target_lengths, batch, labels.shape[1] - 1, f"{self.label} target_lengths")
            )
        lengths = None if lengths is None else as_lengths(lengths, batch, time, self.label)
        weights = self._row_weights(batch, time, lengths, mask)
        total = float(weights.sum()) if self.reduction == "mean" else 1.0
        shares = weights / (total or 1.0)
        share = backend.astype(backend.constant(shares) if mask is None else backend.asarray(shares), prediction.dtype)
        counts = xp.where(share == 0, xp.zeros_like(counts), counts)
        if mask is not None and not weights.all():  # no number at all may stand in a row that does not count
            prediction = xp.where((share == 0)[:, None, None], backend.zeros((), prediction.dtype), prediction)
        each = EACH if self.reduction == "none" else PLAIN
        kernel = backend.select("ctc", **each)
        loss, content = kernel.forward(
            prediction,
            labels,
            counts,
            lengths,
            share,
            blank=self.blank,
            zero_infinity=self.zero_infinity,
            **each,
        )
        return loss, (backend, kernel, content, shape, narrow)

    def terms(self, prediction: Array, target: Any, lengths: Any = None, mask: Any = None) -> float:
        """Return how many rows have a step; with a mask, the sum of their weights."""
        batch, time, _ = prediction.shape
        return float(self._row_weights(batch, time, lengths, mask).sum())

    def _row_weights(self, batch: int, time: int, lengths: Any, mask: Any) -> Any:
        """Return the weight of each row, on the host: 0 without a step."""
        steps = np.full(batch, time) if lengths is None else as_host(lengths, f"{self.label} lengths")
        counted = (steps > 0).astype(np.float64)
        if mask is None:
            return counted
        mask = as_host(mask, f"{self.label} mask")
        if mask.ndim != 1:
            raise ArgumentError(f"{self.label} takes no mask of steps: it cannot leave out steps, only rows")
        return counted * self.check_mask(mask, (batch,))

    def check_target(
        self,
        target: Any,
        shape: tuple[int, ...],
        lengths: Any = None,
        mask: Any = None,
        target_lengths: Any = None,
    ) -> None:
        """Raise where a target is no label of ours and counts: its type, shape or range.

        Raises
        ------
        ShapeError, DTypeError, DataError
        """
        target = as_host(self._as_array(target), f"{self.label} target")
        if target.dtype.kind not in "iu":
            raise DTypeError(f"{self.label}: expected integer labels, got an array of {target.dtype}")
        self.check_shapes(target.shape, shape)
        batch, width = target.shape
        if target_lengths is None:
            counted = ~np.logical_or.accumulate(target == self.padding, axis=1)
        else:
            counted = (
                np.arange(width) < as_lengths(target_lengths, batch, width, f"{self.label} target_lengths")[:, None]
            )
        if lengths is not None:
            lengths = as_lengths(lengths, batch, shape[1], self.label)
        if lengths is not None or mask is not None:
            counted &= self._row_weights(batch, shape[1], lengths, mask)[:, None] > 0
        wrong = counted & ((target < 0) | (target >= shape[-1]) | (target == self.blank))
        if wrong.any():
            row, place = (int(i) for i in np.argwhere(wrong)[0])
            raise DataError(
                f"{self.label}: expected labels from 0 to {shape[-1] - 1} other than the blank, {self.blank}, "
                f"or {self.padding} as padding, got {target[row, place]} at index {(row, place)}"
            )

    def check_shapes(self, target: tuple[int, ...], shape: tuple[int, ...]) -> None:
        """Raise where a target's shape, or the blank, does not fit predictions of ``shape``.

        Raises
        ------
        ShapeError
        """
        if len(shape) != 3:
            raise ShapeError(f"{self.label}: expected logits (batch, time, classes), got {shape}")
        if self.blank >= shape[-1]:
            raise ShapeError(f"{self.label}: expected more than {self.blank} classes, the blank, got {shape[-1]}")
        if len(target) != 2 or target[0] != shape[0]:
            raise ShapeError(f"{self.label}: expected labels of shape ({shape[0]}, labels), got {target}")

    def _as_array(self, target: Any) -> Any:
        """Return a list of label sequences as one array, padded; what is an array already as it is."""
        if hasattr(target, "shape") or not isinstance(target, (list, tuple)):
            return target
        rows = [as_host(row, f"{self.label} target") for row in target]
        for index, row in enumerate(rows):
            if row.ndim != 1:
                raise ShapeError(
                    f"{self.label}: expected a sequence of labels for each row, got {row.shape} at row {index}"
                )
            if len(row) and row.dtype.kind not in "iu":
                raise DTypeError(f"{self.label}: expected integer labels, got {row.dtype} at row {index}")
        padded = np.full((len(rows), max(map(len, rows), default=0)), self.padding, np.int64)
        for index, row in enumerate(rows):
            padded[index, : len(row)] = row
        return padded

    def lower(self, lowering: Lowering, prediction: Value, target: Value, *weights: Value) -> None:
        """Add the kernel to a program."""
        lowering.loss(
            "ctc", prediction, target, weights, reduction=self.reduction, blank=self.blank, padding=self.padding,
            zero_infinity=self.zero_infinity,
        )  # fmt: skip
