"""What losses with a target for each output share: the checks, and one kernel over rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeAlias

import numpy as np

from lamina.backends import Array, Backend
from lamina.core.host import as_host
from lamina.core.lowering import Lowering, Value
from lamina.errors import DTypeError, ShapeError
from lamina.losses.kernel import EACH, PLAIN, KernelLoss
from lamina.losses.labels import require_targets
from lamina.losses.reading import read_prediction

__all__ = ["FROM_0_TO_1", "NOT_NEGATIVE", "RegressionLoss"]

#: What targets have to be: see `RegressionLoss.expected_targets`.
Expected: TypeAlias = tuple[str, Callable[[Any], Any]]

FROM_0_TO_1: Expected = ("from 0 to 1", lambda t: (t >= 0) & (t <= 1))
NOT_NEGATIVE: Expected = ("of 0 or more", lambda t: t >= 0)


class RegressionLoss(KernelLoss):
    """The base class of losses whose target has the prediction's shape; they name their kernel in ``kernel_name``.

    The kernel takes prediction and target as (rows, features) and each row's share of the mean; a loss with
    settings hands them over in `kernel_arguments`.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
        See `Loss`.
    """

    #: The backend's kernel that the loss runs.
    kernel_name: ClassVar[str] = ""
    #: What targets that count have to be, for the message, and a function that tells of each; None where any number is.
    expected_targets: ClassVar[Expected | None] = None

    def kernel_arguments(self, backend: Backend, dtype: Any) -> tuple[Any, ...]:
        """Return what the kernel takes after the rows' shares."""
        return ()

    def kernel_options(self) -> dict[str, Any]:
        """Return the options that decide which kernel runs."""
        return {}

    def prepare(self, target: Array) -> Array:
        """Return the targets as the kernel takes them, from targets in the prediction's dtype."""
        return target

    def forward(self, prediction: Array, target: Any, lengths: Any = None, mask: Any = None) -> tuple[Array, Any]:
        """Return the loss and its saved state.

        Parameters
        ----------
        prediction : (batch, features) or (batch, time, features)
        target : array-like of the same shape
        lengths : (batch,) integers, optional
        mask : (batch,) or (batch, time), optional

        Returns
        -------
        loss : 0-d array, or (batch,) or (batch, time) with ``reduction="none"``
        saved : for `backward`, which returns an array of the prediction's shape
        """
        backend, prediction, narrow = read_prediction(self, prediction)
        shape = tuple(prediction.shape)
        target = backend.astype(self.read_target(backend, target, shape, lengths, mask), prediction.dtype)
        target = self.prepare(target)
        steps, each = math.prod(shape[:-1]), EACH if self.reduction == "none" else PLAIN
        weight = self.step_weights(backend, shape[:-1], prediction.dtype, lengths, mask)
        kernel = backend.select(self.kernel_name, **self.kernel_options(), **each)
        loss, content = kernel.forward(
            backend.reshape(prediction, (steps, shape[-1])),
            backend.reshape(target, (steps, target.shape[-1])),
            weight,
            *self.kernel_arguments(backend, prediction.dtype),
            **each,
        )
        if each:
            loss = backend.reshape(loss, shape[:-1])
        return loss, (backend, kernel, content, shape, narrow)

    def lower_with(
        self, lowering: Lowering, prediction: Value, target: Value, weights: Sequence[Value], kernel: str = "",
        **options: Any,
    ) -> None:  # fmt: skip
        """Add the kernel of the loss, or the one that is named, to a program, with options of its own."""
        lowering.loss(kernel or self.kernel_name, prediction, target, weights, reduction=self.reduction, **options)

    def check_target(self, target: Any, shape: tuple[int, ...], lengths: Any = None, mask: Any = None) -> None:
        """Raise where targets are no numbers, or have another shape than the prediction, or one that counts is wrong.

        Raises
        ------
        ShapeError, DTypeError, DataError
        """
        if not hasattr(target, "shape") or isinstance(target, np.ndarray):
            target = as_host(target, f"{self.label} target")
        if isinstance(target, np.ndarray) and target.dtype.kind not in "iufb":
            raise DTypeError(f"{self.label}: expected numbers as targets, got an array of {target.dtype}")
        self.check_shapes(tuple(target.shape), shape)
        if self.expected_targets is not None:
            require_targets(self, target, shape, lengths, mask, *self.expected_targets)

    def check_shapes(self, target: tuple[int, ...], shape: tuple[int, ...]) -> None:
        """Raise where a target's shape does not fit predictions of ``shape``.

        Raises
        ------
        ShapeError
        """
        if len(shape) < 2:
            raise ShapeError(f"{self.label}: expected predictions (batch, ..., features), got {shape}")
        if target != shape:
            raise ShapeError(f"{self.label}: expected targets of shape {shape}, got {target}")
