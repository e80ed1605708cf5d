"""What losses over classes share: their settings, and which labels count and are none of the classes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from lamina.backends import Array, Backend
from lamina.core.arguments import name_of, number
from lamina.core.host import as_host, as_lists, is_plain
from lamina.core.labels import all_within, as_label, refuse_first, valid_steps
from lamina.core.lowering import Lowering, Value
from lamina.core.shapes import as_lengths
from lamina.errors import ArgumentError, DataError, DTypeError, ShapeError
from lamina.losses.kernel import EACH, PLAIN, KernelLoss
from lamina.losses.loss import Loss
from lamina.losses.reading import read_prediction

__all__ = [
    "LabelLoss",
    "as_weights",
    "counted_steps",
    "require_labels",
    "require_probabilities",
    "require_targets",
    "require_weights",
    "weights_array",
]


def as_weights(loss: Any, name: str, value: Any, each: str = "class") -> list[float] | None:
    """Return weights, one for each class, of 0 or more as a list, or None; or raise `ArgumentError`."""
    if value is None:
        return None
    value = as_lists(value, f"{name_of(loss)} {name}")
    if np.ndim(value) != 1:  # a dict, say, whose order is not the classes'
        raise ArgumentError(f"{name_of(loss)}: expected one {name} for each {each}, got {value!r}")
    return [number(loss, f"every {name}", weight, least=0) for weight in value]


def require_weights(loss: Loss, name: str, weights: Any, count: int) -> None:
    """Raise `ShapeError` where there are weights, but not ``count`` of them."""
    if isinstance(weights, list) and len(weights) != count:
        raise ShapeError(f"{loss.label}: expected {count} {name} weights, got {len(weights)}")


def weights_array(backend: Backend, weights: float | Sequence[float] | None, dtype: Any) -> Array | None:
    """Return weights as an array (count,) of a backend, one number as (1,); None where there are none."""
    if weights is None:
        return None
    return backend.astype(backend.constant(np.atleast_1d(np.asarray(weights, np.float64))), dtype)


def counted_steps(loss: Loss, shape: tuple[int, ...], lengths: Any = None, mask: Any = None) -> Any:
    """Return which steps count, on the host: bool of the predictions' ``shape`` without its last axis."""
    steps = shape[:-1]
    counted = np.ones(steps, bool)
    if lengths is not None and len(steps) == 2:
        counted &= valid_steps(as_lengths(lengths, steps[0], steps[1], loss.label), steps)
    if mask is not None:
        weights = loss.check_mask(mask, steps) != 0
        counted &= weights.reshape(weights.shape + (1,) * (len(steps) - weights.ndim))
    return counted


def require_labels(loss: Loss, labels: Any, counted: Any, classes: int) -> None:
    """Raise `DataError` at the first label that counts and is none of the classes."""
    wrong = counted & ((labels < 0) | (labels >= classes))
    if wrong.any():
        refuse_first(loss.label, f"labels from 0 to {classes - 1}", labels, wrong)


def require_probabilities(loss: Loss, target: Any, counted: Any) -> None:
    """Raise `DataError` at the first distribution that counts and has a negative part, or does not sum to 1."""
    wrong = counted & ~(np.abs(target.sum(axis=-1) - 1.0) < 1e-3)
    wrong |= counted & ~(target >= 0).all(axis=-1)
    if wrong.any():
        first = tuple(int(i) for i in np.argwhere(wrong)[0])
        where, row = first[0] if len(first) == 1 else first, target[first]
        raise DataError(
            f"{loss.label}: expected probabilities that sum to 1, got a sum of {row.sum():.6g} and a smallest of "
            f"{row.min():.6g} at index {where}"
        )


def require_targets(
    loss: Loss, target: Any, shape: tuple[int, ...], lengths: Any, mask: Any, expected: str, fits: Callable[[Any], Any]
) -> None:
    """Raise `DataError` at the first target that counts and is not as ``expected``: one that does not ``fit``."""
    target = as_host(target, f"{loss.label} target")
    wrong = counted_steps(loss, shape, lengths, mask)[..., None] & ~fits(target)
    if wrong.any():
        refuse_first(loss.label, f"targets {expected}", target, wrong)


class LabelLoss(KernelLoss):
    """The base class of losses over classes: labels, class weights and what counts are read and checked here.

    A loss names its kernel in ``kernel_name`` and what it takes in ``scores``. Where a row, or step, does not count,
    the kernel gets zeros in place of its scores and label, whatever stands there.

    Parameters
    ----------
    ignore_index : int, optional
        A label that marks rows, or steps, that do not count.
    class_weight : sequence of float, optional
        One for each class.
    reduction : {"mean", "sum", "none"}
        See `Loss`.

    Raises
    ------
    ArgumentError
        If a setting is out of range.
    """

    #: The backend's kernel that the loss runs.
    kernel_name: ClassVar[str] = ""
    #: What predictions are, for the messages.
    scores: ClassVar[str] = "logits"
    takes_names: ClassVar[str] = "any"
    #: Whether a target may also be a distribution over the classes, of the prediction's shape.
    takes_probabilities: ClassVar[bool] = False

    def __init__(
        self,
        ignore_index: int | None = None,
        class_weight: Sequence[float] | None = None,
        *,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        self.ignore_index = as_label(self, "ignore_index", ignore_index)
        self.class_weight = as_weights(self, "class_weight", class_weight)

    def forward(self, prediction: Array, target: Any, lengths: Any = None, mask: Any = None) -> tuple[Array, Any]:
        """Return the loss and its saved state.

        Parameters
        ----------
        prediction : (batch, classes) or (batch, time, classes)
        target : integers (batch,) or (batch, time); with ``takes_probabilities`` also of the prediction's shape
        lengths : (batch,) integers, optional
        mask : (batch,) or (batch, time), optional

        Returns
        -------
        loss : 0-d array, or (batch,) or (batch, time) with ``reduction="none"``
        saved : for `backward`, which returns an array of the prediction's shape
        """
        backend, prediction, narrow = read_prediction(self, prediction)
        xp, shape, dtype = backend.xp, tuple(prediction.shape), prediction.dtype
        if len(shape) < 2:
            raise ShapeError(f"{self.label}: expected {self.scores} (batch, classes), got {shape}")
        target = self.read_target(backend, target, shape, lengths, mask)
        flat = len(shape) == 2  # as the kernels take it
        steps = shape[0] if flat else math.prod(shape[:-1])
        scores = prediction if flat else backend.reshape(prediction, (steps, shape[-1]))
        labelled, valid = target.ndim == len(shape) - 1, None
        if labelled:
            target = target if flat else backend.reshape(target, (steps,))
            valid = None if self.ignore_index is None else target != self.ignore_index
        else:
            target = backend.reshape(backend.astype(target, dtype), (steps, shape[-1]))
        weight = self.step_weights(backend, shape[:-1], dtype, lengths, mask, valid)
        if valid is not None or lengths is not None or mask is not None:
            # What stands at a step that does not count may be no label, or no number, at all.
            ignored = weight == 0
            scores = xp.where(ignored[:, None], backend.zeros((), dtype), scores)
            target = xp.where(ignored if labelled else ignored[:, None], backend.zeros((), target.dtype), target)
        class_weight = None if self.class_weight is None else weights_array(backend, self.class_weight, dtype)
        each = EACH if self.reduction == "none" else PLAIN
        kernel = backend.select(self.kernel_name, **self.kernel_options(labelled), **each)
        loss, content = kernel.forward(scores, target, weight, class_weight, *self.kernel_arguments(), **each)
        if each:
            loss = backend.reshape(loss, shape[:-1])
        return loss, (backend, kernel, content, shape, narrow)

    def kernel_options(self, labelled: bool) -> dict[str, Any]:
        """Return what decides which kernel runs, for targets that are labels or distributions."""
        return {"class_weight": self.class_weight is not None}

    def kernel_arguments(self) -> tuple[Any, ...]:
        """Return what the kernel takes after the class weights."""
        return ()

    def lower_with(
        self, lowering: Lowering, prediction: Value, target: Value, weights: Sequence[Value], **options: Any
    ) -> None:
        """Add the kernel to a program, with what all such losses take, and further options.

        Raises
        ------
        NotPlanned
            If the target does not fit.
        """
        if self.class_weight is not None and len(self.class_weight) != prediction.features:
            raise lowering.refuse(self, f"has {len(self.class_weight)} class weights")
        lowering.loss(
            self.kernel_name, prediction, target, weights, reduction=self.reduction, ignore_index=self.ignore_index,
            class_weight=self.class_weight, **options,
        )  # fmt: skip

    def check_target(self, target: Any, shape: tuple[int, ...], lengths: Any = None, mask: Any = None) -> None:
        """Raise where a target is no label of ours and counts: its type, shape or range.

        Raises
        ------
        ShapeError, DTypeError, DataError
        """
        if not is_plain(target):
            target = as_host(target, f"{self.label} target")
        if target.dtype.kind not in ("iufb" if self.takes_probabilities else "iu"):
            raise DTypeError(f"{self.label}: expected integer labels, got an array of {target.dtype}")
        self.check_shapes(target.shape, shape)
        labelled = target.shape != shape
        if labelled and target.dtype.kind not in "iu":
            raise DTypeError(f"{self.label}: expected integer labels, got {target.dtype}")
        if labelled and lengths is None and mask is None and all_within(target, shape[-1]):
            return
        counted = counted_steps(self, shape, lengths, mask)
        if not labelled:
            self.check_probabilities(target, counted)
            return
        if self.ignore_index is not None:
            counted &= target != self.ignore_index
        require_labels(self, target, counted, shape[-1])

    def check_probabilities(self, target: Any, counted: Any) -> None:
        """Raise where a distribution that counts is none; for losses that take them."""

    def check_shapes(self, target: tuple[int, ...], shape: tuple[int, ...]) -> None:
        """Raise where a target's shape, or the number of class weights, does not fit predictions of ``shape``.

        Raises
        ------
        ShapeError
        """
        if len(shape) < 2:
            raise ShapeError(f"{self.label}: expected {self.scores} (batch, classes), got {shape}")
        require_weights(self, "class", self.class_weight, shape[-1])
        if target == shape[:-1] or (self.takes_probabilities and target == shape):
            return
        wanted = f" or probabilities of shape {shape}" if self.takes_probabilities else ""
        raise ShapeError(f"{self.label}: expected labels of shape {shape[:-1]}{wanted}, got {target}")
