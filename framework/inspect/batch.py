"""Data as one batch, and names for what is looked at."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lamina.core.layer import Layer
from lamina.data.checks import checked_for, read_data
from lamina.data.goals import Goal
from lamina.errors import UnknownNameError, unknown
from lamina.losses.loss import Loss
from lamina.train.batches import Batch, placed

__all__ = ["as_batch", "free_name", "name_of", "unknown_layer"]


def as_batch(model: Layer, x: Any, y: Any = None, lengths: Any = None, loss: Loss | None = None) -> Batch:
    """Return data, read and checked as `Trainer.fit` does, as one batch where the model is.

    Raises
    ------
    NotBuiltError, ShapeError, DTypeError, DataError, ArgumentError
    """
    model.bound()
    goals = () if loss is None else (Goal("", loss, 1.0, []),)
    return placed(
        checked_for(model, read_data(model, x, y, lengths, has_target=loss is not None), goals), model.backend
    )


def name_of(layer: Layer) -> str:
    """Return a layer's path, or its class where it is the model itself."""
    return layer.path or type(layer).__name__


def free_name(layer: Layer, taken: Iterable[str]) -> str:
    """Return a layer's name; with the number of the call where it was called before."""
    name, number = name_of(layer), 1
    while (name if number == 1 else f"{name} (call {number})") in taken:
        number += 1
    return name if number == 1 else f"{name} (call {number})"


def unknown_layer(name: object, known: Iterable[str]) -> UnknownNameError:
    """Return the error for a layer that was not looked at."""
    return unknown("layer", name, known)
