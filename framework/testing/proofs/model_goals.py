"""What a model on trial is trained for: a loss and a target, or None, for each output, and how much each row counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.core.calls import takes
from lamina.core.layer import Layer
from lamina.core.lengths import each_lengths
from lamina.core.shapes import as_tuple
from lamina.errors import ArgumentError
from lamina.losses.loss import Loss
from lamina.testing.proofs.arrays import HostArray
from lamina.testing.proofs.drawn import draw_target

__all__ = ["ModelGoals", "read_losses"]

# By what the losses of several outputs are multiplied: exact in every dtype.
_FACTORS = (1.0, 0.5, 2.0, 0.25)
# With what weight rows count, where they do not count alike.
_ROWS = (0.0, 0.5, 1.0, 3.0)


def read_losses(loss: Any) -> Any:
    """Return the losses that are given by name or as objects: one, or a tuple of one, or None, for each output."""
    if isinstance(loss, (tuple, list)):
        return tuple(None if one is None else Loss.registry.create(one) for one in loss)
    return None if loss is None else Loss.registry.create(loss)


class ModelGoals:
    """Losses and targets of a model's outputs.

    Parameters
    ----------
    loss : Loss, or tuple of one, or None, for each output
    target : array, or tuple of one, or None, for each output; None
        Drawn to fit where there is none.
    outputs : list of arrays
    lengths : array, None or a tuple of them
        Of the outputs.
    rng : Generator
    seed : int
        Of the rows' weights.

    Attributes
    ----------
    losses, targets : tuple
        One for each output.
    several : bool
        Whether the model has several outputs.
    row_weights : tuple of (batch,) array, or None
        For each output; None where its loss takes no mask.

    Raises
    ------
    ArgumentError
        If there are not as many as the model has outputs.
    """

    def __init__(
        self, loss: Any, target: Any, outputs: Sequence[HostArray], lengths: Any, rng: np.random.Generator, seed: int
    ) -> None:
        self.several = len(outputs) > 1
        _require_one_each(loss, len(outputs))
        if target is not None and isinstance(target, tuple) != self.several:
            wanted = f"a target, or None, for each of {len(outputs)} outputs" if self.several else "one target"
            raise ArgumentError(f"check_model: expected {wanted}, got {type(target).__name__}")
        self.losses: tuple[Loss | None, ...] = as_tuple(loss)
        given = (None,) * len(outputs) if target is None else as_tuple(target)
        if len(given) != len(outputs):
            raise ArgumentError(f"check_model: expected a target for each of {len(outputs)} outputs, got {len(given)}")
        each = each_lengths(lengths, len(self.losses))
        self.targets: tuple[Any, ...] = tuple(
            None if own is None else draw_target(own, output, ends, rng) if one is None else np.asarray(one)
            for own, one, output, ends in zip(self.losses, given, outputs, each, strict=True)
        )
        drawn = np.random.default_rng(seed + 2).choice(_ROWS, len(outputs[0]))
        drawn[0] = 1.0  # one row counts at least
        self.row_weights: tuple[HostArray | None, ...] = tuple(
            drawn if _takes_mask(own) else None for own in self.losses
        )

    @property
    def target(self) -> Any:
        """The target, or targets, as a trainer takes them."""
        return self.targets if self.several else self.targets[0]

    @property
    def weighings(self) -> tuple[bool, ...]:
        """In which ways to train: with rows that count alike, and with others where a loss can weigh them."""
        return (False, True) if any(one is not None for one in self.row_weights) else (False,)

    def settings(self) -> dict[str, Any]:
        """Return what a `Trainer` takes beside the model: the losses, and how they are added up."""
        if not self.several:
            return {"loss": self.losses[0]}
        return {"loss": self.losses, "loss_weights": self._factors}

    def weights(self, weighed: bool) -> dict[str, Any]:
        """Return the option with which a fit, or evaluate, weighs rows; none where they count alike."""
        if not weighed:
            return {}
        return {"sample_weight": self.row_weights if self.several else self.row_weights[0]}

    def terms(self, outputs: Sequence[Any], lengths: Any, weighed: bool = False) -> list[float]:
        """Return over how many terms each loss is a mean; 0 of an output without one."""
        return [
            0.0 if loss is None else loss.terms(output, target, **options)
            for loss, output, target, options in self._rows(outputs, lengths, slice(None), weighed)
        ]

    def value(self, outputs: Sequence[Any], lengths: Any, weighed: bool = False) -> float:
        """Return the sum of the losses of all rows, as evaluate gives it: of those of which something counts."""
        total, rows = 0.0, self._rows(outputs, lengths, slice(None), weighed)
        for (loss, output, target, options), factor in zip(rows, self._factors, strict=True):
            if loss is not None and loss.terms(output, target, **options):
                total += factor * float(loss(output, target, **options))
        return total

    def gradient(self, model: Layer, y: Any, lengths: Any, rows: Any, weighed: bool) -> Any:
        """Return the gradient of the losses' sum of some rows with respect to the outputs, as backward takes it."""
        found: list[Any] = []
        each = self._rows(as_tuple(y), lengths, rows, weighed, model.dtype)
        for (loss, output, target, options), factor in zip(each, self._factors, strict=True):
            if loss is None:
                found.append(model.backend.zeros(output.shape, output.dtype))
                continue
            _, saved = loss.forward_on(model.backend, output, target, **options)
            gradient = loss.backward(saved)
            found.append(gradient if factor == 1 else gradient * factor)
        return tuple(found) if self.several else found[0]

    @property
    def _factors(self) -> tuple[float, ...]:
        return tuple(_FACTORS[index % len(_FACTORS)] for index in range(len(self.losses)))

    def _rows(
        self, outputs: Sequence[Any], lengths: Any, rows: Any, weighed: bool, dtype: Any = "float64"
    ) -> list[tuple[Loss | None, Any, Any, dict[str, Any]]]:
        """Return for some rows each output, its loss, target, and the options of the loss."""
        found = []
        each = zip(
            self.losses, outputs, self.targets, each_lengths(lengths, len(self.losses)), self.row_weights, strict=True
        )
        for loss, output, target, ends, weights in each:
            options = {} if ends is None else {"lengths": ends}
            if weighed and weights is not None:
                options["mask"] = weights[rows].astype(dtype)
            found.append((loss, output, None if target is None else target[rows], options))
        return found


def _require_one_each(loss: Any, outputs: int) -> None:
    if outputs > 1 and not isinstance(loss, tuple):
        raise ArgumentError(
            f"check_model: a loss takes one output, the model has several: leave out loss= or give a tuple of {outputs}"
        )
    if isinstance(loss, tuple):
        if outputs == 1 or len(loss) != outputs:
            wanted = "one loss" if outputs == 1 else f"a loss, or None, for each of {outputs} outputs"
            raise ArgumentError(f"check_model: expected {wanted}, got a tuple of {len(loss)}")
        if all(one is None for one in loss):
            raise ArgumentError("check_model: expected a loss for one output at least, got None for all")


def _takes_mask(loss: Loss | None) -> bool:
    """Tell whether a loss can weigh rows."""
    return loss is not None and all(
        takes(method, "mask", anything=False) for method in (type(loss).forward, type(loss).terms)
    )
