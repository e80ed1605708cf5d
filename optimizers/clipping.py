"""Clipping of gradients, for training loops of one's own; optimizers take clip_norm and clip_value."""

from __future__ import annotations

from collections.abc import Iterable

from lamina.backends import Array, Backend
from lamina.core.arguments import number
from lamina.core.parameter import Parameter
from lamina.errors import ArgumentError

__all__ = ["clip_global_norm", "clip_value"]


def clip_global_norm(parameters: Iterable[Parameter], limit: float) -> Array:
    """Scale all gradients in place so that their global norm is at most ``limit`` (Pascanu et al., 2013).

        norm = sqrt(sum of all squared elements);  g *= limit / max(norm, limit)

    Where an element is infinite the norm is, and all finite ones become 0, the infinite ones NaN. Where one is NaN the
    norm is, and all become NaN. (So it is in PyTorch.) A `Trainer` with ``check_finite`` raises before that.

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
    limit = _require(chosen, limit)
    return chosen[0].backend.clip_global_norm([parameter.grad for parameter in chosen], limit)


def clip_value(parameters: Iterable[Parameter], limit: float) -> None:
    """Bound every element of all gradients to [-limit, limit], in place: infinite ones too, while NaN stays NaN.

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
    limit = _require(chosen, limit)
    arrays: dict[Backend, list[Array]] = {}
    for parameter in chosen:
        arrays.setdefault(parameter.backend, []).append(parameter.grad)
    for backend, several in arrays.items():
        backend.clip_values(several, limit)


def _require(parameters: list[Parameter], limit: float) -> float:
    if not parameters:
        raise ArgumentError("clipping: there are no parameters")
    return number("clipping", "limit", limit, above=0)
