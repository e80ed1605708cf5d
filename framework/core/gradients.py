"""Where a layer's kernel adds the gradients of its parameters."""

from __future__ import annotations

from collections.abc import Iterable

from lamina.backends import Array
from lamina.core.parameter import Parameter

__all__ = ["gradients_of"]


def gradients_of(parameters: Iterable[Parameter | None]) -> list[Array | None]:
    """Return the gradients of parameters, to be added to in place; None for None.

    A layer hands ``partial(gradients_of, parameters)`` to its kernel's backward, as ``gradients``. Once this has been
    called other threads wait with their additions until the layer's backward ends: see `Parameter.grad`.
    """
    gradients: list[Array | None] = []
    locked = False
    for parameter in parameters:
        if parameter is None:
            gradients.append(None)
            continue
        known = parameter._grad if locked and parameter._table is None else None
        gradients.append(parameter.grad if known is None else known)
        locked = True
    return gradients
