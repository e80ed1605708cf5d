"""Clipping of gradients, for training loops of one's own; optimizers take clip_norm and clip_value."""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Real

from lamina.backends import Array
from lamina.errors import ArgumentError
from lamina.parameter import Parameter

__all__ = ["clip_global_norm", "clip_value"]


def clip_global_norm(parameters: Iterable[Parameter], limit: float) -> Array:
    """Scale all gradients in place so that their global norm is at most ``limit`` (Pascanu et al., 2013).

        norm = sqrt(sum of all squared elements);  g *= limit / max(norm, limit)

    Parameters
    ----------
    parameters : iterable of Parameter
    limit : float

    Returns
    -------
    0-d array
        The norm before, on the device.

    Raises
    ------
    ArgumentError
        If the limit is not positive and finite, or there are no parameters.
    """
    chosen = list(parameters)
    _require(chosen, limit)
    return chosen[0].backend.clip_global_norm([parameter.grad for parameter in chosen], limit)


def clip_value(parameters: Iterable[Parameter], limit: float) -> None:
    """Bound every element of all gradients to [-limit, limit], in place.

    Parameters
    ----------
    parameters : iterable of Parameter
    limit : float

    Raises
    ------
    ArgumentError
        If the limit is not positive and finite, or there are no parameters.
    """
    chosen = list(parameters)
    _require(chosen, limit)
    for parameter in chosen:
        parameter.backend.clip_value(parameter.grad, limit)


def _require(parameters: list[Parameter], limit: float) -> None:
    number = isinstance(limit, Real) and not isinstance(limit, bool)
    if not number or not 0 < limit < math.inf:
        raise ArgumentError(f"clipping: expected a finite limit above 0, got {limit!r}")
    if not parameters:
        raise ArgumentError("clipping: there are no parameters")
