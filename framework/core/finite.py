"""Where NaN or infinity stands."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from lamina.backends import Array, Backend
from lamina.core.parameter import Parameter

__all__ = ["all_finite", "first_non_finite"]


def all_finite(parameters: Iterable[Parameter]) -> bool:
    """Tell whether all values of parameters are finite; waits for each device once."""
    arrays: dict[Backend, list[Array]] = {}
    for parameter in parameters:
        arrays.setdefault(parameter.backend, []).append(parameter.data)
    return all(backend.every_finite(several) for backend, several in arrays.items())


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
        return ("NaN" if np.isnan(host[place]) else "infinity"), place
    return None
