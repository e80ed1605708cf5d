"""The loss: what training makes small."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from lamina.backends import Array, Backend, backend_of
from lamina.core.calls import extends, takes
from lamina.core.changes import Changing
from lamina.core.config import Configured
from lamina.core.guards import guarded_loss_backward, guarded_loss_forward
from lamina.core.host import as_array, as_host, is_plain
from lamina.core.proven import proofs
from lamina.core.registry import Registry
from lamina.core.shapes import as_lengths
from lamina.errors import ArgumentError, DataError, DTypeError, ShapeError
from lamina.losses.reading import count_rows, count_terms, handed, read_prediction

__all__ = ["Loss"]


class Loss(Changing, Configured):
    """A differentiable number that says how far a prediction is from its target.

    A loss of your own defines two methods::

        forward(self, prediction, target) -> (loss, saved)     loss is a 0-d array
        backward(self, saved) -> dprediction

    and takes ``lengths`` and ``mask`` in ``forward`` where it can leave out steps; a loss that does not take
    them refuses them, so that padding never counts unseen.

    Neither has to check that: ``core/guards.py`` stands around both, and gives out each call's saved state once.

    A loss keeps nothing between calls, so that it may serve several trainers, and threads, at once. Beside others a
    batch counts with its `terms`: a loss that is no mean over rows, or steps, overrides that.

    Attributes
    ----------
    reduction : {"mean", "sum", "none"}
        What `forward` makes of the losses l of rows, or steps, and their weights m, which are 1 where there is no
        mask: sum(m l) / sum(m), sum(m l), or all m l as an array, (batch,) or (batch, time). With ``"none"`` `backward`
        takes the gradient of that array as well: ``backward(saved, dloss)``. The losses here have it as an argument; in
        one of your own, `step_weights` follows it.
    backend : Backend or None
        A setting of yours, which nothing here changes: the one whose kernels run, and whose arrays predictions then
        must be. Where it is None, as at first, a trainer takes the model's, and a plain call the prediction's.
    """

    registry: ClassVar[Registry[Loss]] = Registry("loss")
    _kept: ClassVar[tuple[str, ...]] = ("backend",)
    #: Whether targets may name classes: "any" number of them, or "two"; empty where they may not.
    takes_names: ClassVar[str] = ""
    #: Whether several classes of a loss define the method, so that one may call another by ``super()``.
    _extends_forward: ClassVar[bool] = False
    _extends_backward: ClassVar[bool] = False
    #: Whether backward takes the gradient of the loss.
    _takes_gradient: ClassVar[bool] = False
    #: Whether the mean is over rows also where predictions have steps, so that a row's steps are one term together.
    over_rows: ClassVar[bool] = False
    #: As a metric.
    higher_is_better: ClassVar[bool] = False
    #: Whether a mask may weigh each step; where not, it is one weight for each row.
    masks_steps: ClassVar[bool] = True
    backend: Backend | None = None
    reduction: str = "mean"

    @property
    def target_padding(self) -> int | None:
        """What a target's rows of unequal length are filled with; None where a target has the steps of its row."""
        return None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        own = vars(cls)
        if "forward" in own:
            cls.forward = guarded_loss_forward(own["forward"])  # type: ignore[method-assign]
        if "backward" in own:
            cls._takes_gradient = takes(own["backward"], "dloss")
            cls.backward = guarded_loss_backward(own["backward"])  # type: ignore[method-assign]
        cls._extends_forward, cls._extends_backward = (extends(cls, one, Loss) for one in ("forward", "backward"))

    def forward(self, *arguments: Any, **options: Any) -> tuple[Array, Any]:
        """Return the loss as a 0-d array on the prediction's device, and the state `backward` needs.

        With ``reduction="none"`` it is an array of all rows' or steps' weighted losses.

        Parameters
        ----------
        prediction : (batch, ...) array
        target : array-like
        lengths : (batch,) integers, optional
            Steps of (batch, time, ...) past a row's end do not count.
        mask : (batch,) or (batch, time), optional
            The weight with which each row, or step, counts; 0 leaves it out.

        Raises
        ------
        ShapeError, DTypeError, DataError
        """
        raise NotImplementedError(f"{type(self).__name__} does not define forward")

    def backward(self, saved: Any, dloss: Any = None) -> Array:
        """Return the gradient with respect to the prediction.

        Parameters
        ----------
        saved
            Of one `forward` call, to be used once.
        dloss : array, optional
            With ``reduction="none"``, the gradient of what `forward` gave. A loss of your own need not take it.

        Raises
        ------
        SavedStateError
            If ``saved`` is used up or another loss's.
        ArgumentError, ShapeError, DTypeError
            If there is no ``dloss`` where one is needed, or one where none is, or it does not fit.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define backward")

    def check_target(self, target: Any, shape: tuple[int, ...], lengths: Any = None, mask: Any = None) -> None:
        """Raise where targets do not fit predictions of this shape; called once, on the host, before training."""

    def check_shapes(self, target: tuple[int, ...], shape: tuple[int, ...]) -> None:
        """Raise `ShapeError` where a target's shape does not fit predictions of ``shape``; by default any does."""

    def read_target(
        self, backend: Backend, target: Any, shape: tuple[int, ...], lengths: Any = None, mask: Any = None
    ) -> Array:
        """Return a target for predictions of ``shape`` as an array of the backend, checked by `check_target`.

        That looks at labels on the host: a target that was made on a device is copied, which waits for it. A trainer's
        targets are looked at before training.
        """
        if proofs.has(target, self):  # by the trainer, before training
            return target
        if not is_plain(target) and (isinstance(target, np.ndarray) or not backend.is_array(target)):
            target = as_host(target, f"{self.label} target")
        self.check_target(target, shape, lengths, mask)
        return backend.asarray(target)

    def forward_on(self, backend: Backend, prediction: Array, target: Any, **options: Any) -> tuple[Array, Any]:
        """Return what `forward` does, by the kernels of a backend, such as a model's."""
        before, handed.backend = handed.backend, backend
        try:
            return self.forward(prediction, target, **options)
        finally:
            handed.backend = before

    def terms(self, prediction: Array, target: Any, lengths: Any = None, mask: Any = None) -> float:
        """Return over how many rows, or steps, `forward` takes its mean: what a batch weighs beside others.

        All of them but those past their rows' ends and those with the label ``ignore_index``, where the loss has
        one; with a mask, the sum of their weights. A loss whose mean is over something else overrides this, with or
        without a ``mask``. Of the prediction only the shape is looked at; the target is on the host where it can be.

        With ``reduction="sum"`` terms are counted as for the mean, and weigh nothing: batches are added up, their
        gradients as they are, and what is reported is the sum over all rows. ``"none"`` cannot be trained with: see
        `require_number`.
        """
        shape, ignored = tuple(prediction.shape), getattr(self, "ignore_index", None)
        if self.over_rows:
            return count_rows(self.label, shape, lengths, mask)
        if lengths is None and mask is None and ignored is None:  # as nearly always
            return float(math.prod(shape[:-1] if len(shape) > 1 else shape))
        return count_terms(self.label, shape, target, lengths, mask, ignored)

    def require_number(self, owner: str) -> None:
        """Raise `ArgumentError`, in the name of an owner such as a trainer, where `forward` gives no one number."""
        if self.reduction == "none":
            raise ArgumentError(
                f"{owner}: expected a loss with reduction='mean' or 'sum', got {self!r}, which gives an array"
            )

    def config(self) -> dict[str, Any]:
        """Return the arguments that would make this loss again; the reduction where it is not the mean."""
        arguments = super().config()
        if arguments.get("reduction") == "mean":
            del arguments["reduction"]
        return arguments

    def check_mask(self, mask: Any, shape: tuple[int, ...]) -> Array:
        """Return a mask on the host, or raise where it fits no predictions of ``shape`` without its last axis.

        Raises
        ------
        ShapeError, DTypeError, DataError
        """
        values = as_host(mask, f"{self.label} mask")
        if values.shape not in (shape, shape[:1]):
            raise ShapeError(f"{self.label}: expected a mask of shape {shape}, got {values.shape}")
        if values.dtype.kind not in "fiub":
            raise DTypeError(f"{self.label}: expected numbers as a mask, got an array of {values.dtype}")
        if not (values >= 0).all():
            first = tuple(int(i) for i in np.argwhere(~(values >= 0))[0])
            raise DataError(f"{self.label}: expected a mask of 0 or more, got {values[first]} at index {first}")
        return values

    def __call__(self, prediction: Array, target: Any, *further: Any, **options: Any) -> Any:
        """Return the loss as a Python number, from what `forward` takes; waits for the device.

        With ``reduction="none"`` it is an array of NumPy's.
        """
        prediction = as_array(prediction, f"{self.label} prediction")
        loss, _ = self.forward(prediction, target, *further, **options)
        backend = self.backend or backend_of(prediction)
        return backend.to_numpy(loss) if self.reduction == "none" else backend.item(loss)

    @property
    def label(self) -> str:
        """The name used in messages."""
        return type(self).__name__

    def backend_for(self, prediction: Array) -> Backend:
        """Return the backend whose kernels run for a prediction; it raises as `read_prediction` does."""
        return read_prediction(self, prediction)[0]

    def step_weights(
        self,
        backend: Backend,
        shape: tuple[int, ...],
        dtype: Any,
        lengths: Any = None,
        mask: Any = None,
        valid: Array | None = None,
    ) -> Array:
        """Return each step's share of the mean, flat: its weight over the sum of weights, all 0 if that is 0.

        With another reduction than the mean it is the weight itself.

        Parameters
        ----------
        backend : Backend
        shape : tuple of int
            Of the prediction without its last axis: (batch,), (batch, time), ...
        dtype : dtype of the result
        lengths, mask : as in `forward`
        valid : (steps,) bool, optional
            Steps that count at all.
        """
        if lengths is None and mask is None and valid is None:
            steps = math.prod(shape)
            return backend.full((steps,), 1 / max(steps, 1) if self.reduction == "mean" else 1.0, dtype)
        return self.shares(backend, self.weigh_steps(backend, shape, dtype, lengths, mask, valid))

    def weigh_steps(
        self,
        backend: Backend,
        shape: tuple[int, ...],
        dtype: Any,
        lengths: Any = None,
        mask: Any = None,
        valid: Array | None = None,
    ) -> Array:
        """Return each step's weight, flat, whatever the reduction; takes what `step_weights` does."""
        weights = backend.full(shape, 1.0, dtype)
        if lengths is not None:
            if len(shape) != 2:
                raise ShapeError(f"{self.label}: lengths need (batch, time, ...), got {len(shape) + 1} axes")
            lengths = as_lengths(lengths, shape[0], shape[1], self.label)
            weights = backend.astype(backend.valid_steps(lengths, shape[1]), dtype)
        if mask is not None:
            mask = backend.astype(backend.constant(self.check_mask(mask, shape)), dtype)
            weights = weights * backend.reshape(mask, (*mask.shape, *(1,) * (len(shape) - mask.ndim)))
        weights = backend.reshape(weights, (math.prod(shape),))
        return weights if valid is None else weights * backend.astype(valid, dtype)

    def shares(self, backend: Backend, weights: Array) -> Array:
        """Return weights over their sum, all 0 if that is 0; themselves where the reduction is not the mean."""
        if self.reduction != "mean":
            return weights
        total = backend.xp.sum(weights)
        return weights / backend.xp.where(total == 0, backend.xp.ones_like(total), total)
