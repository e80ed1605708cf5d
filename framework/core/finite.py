"""Where NaN or infinity stands."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from lamina.backends import Array, Backend
from lamina.core.parameter import Parameter
from lamina.errors import NonFiniteWarning

__all__ = ["all_finite", "first_non_finite", "non_finite_parameters", "non_finite_text", "spoken", "warn_non_finite"]


def all_finite(parameters: Iterable[Parameter]) -> bool:
    """Tell whether all values of parameters are finite; waits for each device once."""
    arrays: dict[Backend, list[Array]] = {}
    for parameter in parameters:
        arrays.setdefault(parameter.backend, []).append(parameter.data)
    return all(backend.every_finite(several) for backend, several in arrays.items())


def non_finite_parameters(parameters: Iterable[Parameter]) -> list[tuple[str, str]]:
    """Return the names of parameters that hold NaN or infinity, each with which of them stands first."""
    several = list(parameters)
    if all_finite(several):
        return []
    found = []
    for parameter in several:
        values = parameter.numpy()
        wrong = values[~np.isfinite(values)]
        if wrong.size:
            found.append((parameter.name, spoken(wrong[0])))
    return found


def warn_non_finite(parameters: Iterable[Parameter], source: str) -> None:
    """Warn with `NonFiniteWarning` where parameters from some source hold NaN or infinity."""
    found = non_finite_text(parameters)
    if found:
        warnings.warn(f"{source}: {found}", NonFiniteWarning, stacklevel=3)


def non_finite_text(parameters: Iterable[Parameter]) -> str:
    """Return which parameter holds NaN or infinity, and whether others do; nothing where none does."""
    found = non_finite_parameters(parameters)
    if not found:
        return ""
    (name, what), *others = found
    more = f", and {len(others)} more hold NaN or infinity" if others else ""
    return f"its parameter {name!r} holds {what}{more}"


def spoken(value: Any) -> str:
    """Return what a number that is not finite is called."""
    return "NaN" if np.isnan(value) else "infinity"


def first_non_finite(backend: Backend, values: Any) -> tuple[str, tuple[int, ...]] | None:
    """Return what stands where NaN or infinity first occurs in time, and where that is; None where all is finite.

    Parameters
    ----------
    backend : Backend
    values : array, tuple of arrays, or None
        Axis 1 is the time where there are three axes or more. Integers are finite.
    """
    for array in values if isinstance(values, tuple) else (values,):
        if array is None or not backend.is_float(array) or backend.all_finite(array):
            continue
        host: Array = backend.to_numpy(array)
        places = np.argwhere(~np.isfinite(host))
        first = places[np.argmin(places[:, 1])] if host.ndim > 2 else places[0]
        place = tuple(int(i) for i in first)
        return spoken(host[place]), place
    return None
