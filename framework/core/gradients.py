"""What a layer's backward adds to the gradients of its parameters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lamina.backends import Array
from lamina.core.parameter import Parameter

__all__ = ["add_to_gradients"]


def add_to_gradients(parameters: Iterable[Parameter | None], gradients: Iterable[Array]) -> None:
    """Add to the gradient of each parameter: as ``parameter.grad += gradient``, but together where a backend does so.

    Parameters
    ----------
    parameters : iterable of Parameter or None
        Of one backend.
    gradients : iterable of Array
        One each, of its shape; that of None is left out.
    """
    backend: Any = None
    targets: list[Array] = []
    values: list[Array] = []
    for parameter, gradient in zip(parameters, gradients, strict=True):
        if parameter is None:
            continue
        target = parameter.grad
        if parameter.storage.backend.joins_calls:  # type: ignore[union-attr]  # with a gradient, it has a storage
            backend = parameter.backend
            targets.append(target)
            values.append(gradient)
        else:
            target += gradient
    if targets:
        backend.add_each(targets, values)
