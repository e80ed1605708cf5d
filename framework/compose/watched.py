"""A copy of a model whose layers tell what they do, to look inside a model that stays as it is."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

from lamina.core.layer import Layer

__all__ = ["watched"]


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
