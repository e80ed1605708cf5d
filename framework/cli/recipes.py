"""What ``lamina train`` trains: cells by name, and for each optimizer settings that were found to do well.

The settings were chosen by cross-validation on the rows of japanese-vowels that are to train on, never on its test
part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lamina.errors import unknown
from lamina.layer import Layer
from lamina.layers import SimpleRNN
from lamina.optimizer import Optimizer
from lamina.parameter import Parameter

__all__ = [
    "BATCH_SIZE",
    "CELLS",
    "EPOCHS",
    "LABEL_SMOOTHING",
    "OPTIMIZER",
    "UNITS",
    "Recipe",
    "find_cell",
    "find_recipe",
    "rates",
]

UNITS = 128
EPOCHS = 50
BATCH_SIZE = 32
OPTIMIZER = "sgd"
LABEL_SMOOTHING = 0.1

#: Each is called with the number of units, and reads its input as x w_x + b, on which `Standardization` relies.
CELLS: dict[str, Callable[[int], Layer]] = {"simple_rnn": SimpleRNN}


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
        rate = {} if self.learning_rate is None else {"lr": self.learning_rate}
        return self.optimizer(parameters, **rate, **self.settings)


_RECIPES: dict[str, tuple[float, dict[str, Any]]] = {
    "AdaGrad": (0.015, {"weight_decay": 0.003, "clip_norm": 1.0}),
    "SGD": (0.05, {"momentum": 0.9, "weight_decay": 0.003, "clip_norm": 1.0}),
}


def find_cell(name: str) -> Callable[[int], Layer]:
    """Return the layer class of that name.

    Raises
    ------
    UnknownNameError
    """
    if name not in CELLS:
        raise unknown("cell", name, CELLS)
    return CELLS[name]


def find_recipe(name: str, learning_rate: float | None) -> Recipe:
    """Return the optimizer of that name with its settings; one that has none here keeps its own defaults.

    Raises
    ------
    UnknownNameError
    """
    optimizer = Optimizer.registry.find(name)
    usual, settings = _RECIPES.get(Optimizer.registry.name_of(optimizer) or "", (None, {}))
    return Recipe(optimizer, usual if learning_rate is None else learning_rate, settings)


def rates() -> dict[str, float]:
    """Return the learning rates that are used where none is given, by optimizer."""
    return {name.lower(): rate for name, (rate, _) in _RECIPES.items()}
