"""Optimizers with settings found to do well, by the optimizer's name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lamina.core.parameter import Parameter
from lamina.errors import unknown
from lamina.optimization.optimizer import Optimizer

__all__ = ["BATCH_SIZE", "EPOCHS", "LABEL_SMOOTHING", "OPTIMIZER", "Recipe", "find_recipe", "optimizer_names", "rates"]

EPOCHS = 50
BATCH_SIZE = 32
OPTIMIZER = "sgd"
LABEL_SMOOTHING = 0.1


@dataclass(frozen=True)
class Recipe:
    """An optimizer and its settings.

    Attributes
    ----------
    optimizer : type of Optimizer
    learning_rate : float or None
        The rate of the first epoch; None is the optimizer's own.
    settings : mapping
        Its other arguments.
    """

    optimizer: type[Optimizer]
    learning_rate: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def make(self, parameters: list[Parameter]) -> Optimizer:
        """Return the optimizer of a model's parameters."""
        rate: dict[str, Any] = {} if self.learning_rate is None else {"lr": self.learning_rate}
        return self.optimizer(parameters, **rate, **self.settings)


_RECIPES: dict[str, tuple[float, dict[str, Any]]] = {
    "AdaGrad": (0.015, {"weight_decay": 0.003, "clip_norm": 1.0}),
    "Adam": (0.003, {"clip_norm": 1.0}),
    "AdamW": (0.003, {"weight_decay": 0.1, "clip_norm": 1.0}),
    "RMSprop": (0.001, {"clip_norm": 1.0}),
    "SGD": (0.05, {"momentum": 0.9, "weight_decay": 0.003, "clip_norm": 1.0}),
}


def optimizer_names() -> list[str]:
    """Return the names of the optimizers that train from batches, with no other one to go around."""
    return [name for name in Optimizer.registry.names() if name not in ("LBFGS", "Lookahead")]


def find_recipe(name: str, learning_rate: float | None) -> Recipe:
    """Return the optimizer of that name with its settings; one that has none here keeps its own defaults.

    Raises
    ------
    UnknownNameError
    """
    optimizer, names = Optimizer.registry.find(name), optimizer_names()
    own = Optimizer.registry.name_of(optimizer) or ""
    if own not in names:
        raise unknown("optimizer", name, names)
    usual, settings = _RECIPES.get(own, (None, {}))
    return Recipe(optimizer, usual if learning_rate is None else learning_rate, settings)


def rates() -> dict[str, float]:
    """Return the learning rates that are used where none is given, by optimizer."""
    return {name.lower(): rate for name, (rate, _) in _RECIPES.items()}
