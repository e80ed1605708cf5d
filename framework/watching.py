"""A copy of a model whose layers tell what they do, to look inside a model that stays as it is."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from lamina.backends import Array, Backend
from lamina.layer import Layer

__all__ = ["cell_paths", "first_non_finite", "watched"]


def watched(model: Layer, **watchers: Callable[..., Any]) -> Any:
    """Return a copy of a model, weights included, that hands calls of its layers' methods to functions.

    Parameters
    ----------
    model : Layer
    **watchers : callable
        By the method's name, such as ``forward``: called as ``watcher(layer, method, *arguments, **options)``
        in the method's place, it returns what ``method(*arguments, **options)`` would, or something else.
        A layer without the method is left alone.

    Returns
    -------
    Layer
        Of the model's class. Its gradients are zero.
    """
    twin = copy.deepcopy(model)
    twin.zero_grad()
    for _, layer in twin.walk():
        for name, watcher in watchers.items():
            method = getattr(layer, name, None)
            if method is not None:
                vars(layer)[name] = partial(watcher, layer, method)
    return twin


def cell_paths(model: Layer) -> set[str]:
    """Return the paths of the layers in recurrent ones: cells, which are called for every step."""
    from lamina.recurrent import RecurrentLayer

    return {
        f"{path}.{below}" if path else below
        for path, layer in model.walk()
        if isinstance(layer, RecurrentLayer)
        for below, _ in layer.walk()
        if below
    }


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
