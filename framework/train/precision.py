"""In what a trainer computes matrix products."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lamina.core.arguments import one_of
from lamina.core.layer import Layer
from lamina.errors import ArgumentError

__all__ = ["PRECISIONS", "at_work", "read_precision", "require_precision"]

#: What a trainer can be asked for; a backend says which of them it has.
PRECISIONS = ("fp32", "tf32", "bf16")


def read_precision(precision: str, model: Layer) -> str:
    """Return the precision that a trainer is given, or raise where it is none, or a built model cannot have it.

    Raises
    ------
    ArgumentError
    """
    found: str = one_of("Trainer", "precision", precision, PRECISIONS)
    if model.is_built:
        require_precision(found, model)
    return found


def require_precision(precision: str, model: Layer) -> None:
    """Raise `ArgumentError` where a built model's backend does not have a precision, or the model is not of float32."""
    if precision == "fp32":
        return
    bound = model.bound()
    if precision not in bound.backend.precisions:
        has = ", ".join(map(repr, bound.backend.precisions))
        raise ArgumentError(
            f"Trainer: expected a precision that backend {bound.backend.name!r} has, {has}, got {precision!r}"
        )
    if bound.dtype != "float32":
        raise ArgumentError(f"Trainer: precision {precision!r} is for models of float32, got one of {bound.dtype}")


@contextmanager
def at_work(model: Layer, precision: str) -> Iterator[None]:
    """Let a built model's backend know that much work comes, in a precision."""
    backend = model.backend
    with backend.at_work(), backend.in_precision(precision):
        yield
