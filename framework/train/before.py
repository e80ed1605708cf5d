"""What a model's forward pass changes, as it was before: so that a batch can be run again as if for the first time."""

from __future__ import annotations

import copy
from typing import Any

from lamina.backends import Array
from lamina.core.layer import Layer
from lamina.kinds.random import RandomLayer

__all__ = ["Before"]


class Before:
    """Where the random draws of a model were, and what its statistics, such as running means, held.

    Parameters
    ----------
    model : Layer

    Attributes
    ----------
    statistics : list of arrays
        The values, when they were kept last, of parameters that are not trained.
    """

    def __init__(self, model: Layer) -> None:
        self._random = {path: one for path, one in model.walk() if isinstance(one, RandomLayer)}
        self._moving = [one for one in model.parameters() if not one.trainable]
        self._draws: dict[str, Any] = {}
        self.statistics: list[Array] = []

    def keep(self) -> None:
        """Note how it all is."""
        self._draws = {path: copy.copy(layer._draws) for path, layer in self._random.items()}
        self.statistics = [one.backend.copy(one.data) for one in self._moving]

    def put_draws(self, model: Layer) -> None:
        """Let a model, this one or a twin of it, draw what it drew after the keeping."""
        for path, layer in model.walk():
            if path in self._draws:
                layer._draws = copy.copy(self._draws[path])

    def put_statistics(self, arrays: list[Array] | None = None) -> None:
        """Put the statistics back, as they were kept last or as other arrays have them."""
        for parameter, values in zip(self._moving, self.statistics if arrays is None else arrays, strict=True):
            parameter.data = values
