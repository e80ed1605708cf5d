"""What ``lamina train`` trains: stacks of cells by name, and for each optimizer settings found to do well.

The settings were chosen by cross-validation on the rows of japanese-vowels that are to train on, never on its test
part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lamina.compose.bidirectional import Bidirectional
from lamina.compose.sequential import Sequential
from lamina.core.layer import Layer
from lamina.core.parameter import Parameter
from lamina.errors import unknown
from lamina.kinds.recurrent import RecurrentLayer
from lamina.layers import GRU, LSTM, Dense, Dropout, SimpleRNN
from lamina.optimization.optimizer import Optimizer

if TYPE_CHECKING:
    from lamina.train.callback import Callback

__all__ = [
    "BATCH_SIZE",
    "CELLS",
    "EPOCHS",
    "LABEL_SMOOTHING",
    "NUMBERS_CELL",
    "NUMBERS_UNITS",
    "OPTIMIZER",
    "SCHEDULE",
    "SCHEDULES",
    "UNITS",
    "Recipe",
    "build_stack",
    "find_cell",
    "find_recipe",
    "find_schedule",
    "optimizer_names",
    "rates",
]

UNITS = 128
#: To tell numbers: chosen by the errors of 1898 to 1947 among the sunspots of 1700 to 1947.
NUMBERS_CELL = "gru"
NUMBERS_UNITS = 32
EPOCHS = 50
BATCH_SIZE = 32
OPTIMIZER = "sgd"
LABEL_SMOOTHING = 0.1
SCHEDULE = "linear_decay"

#: Each is called with the number of units; the first is for classes.
CELLS: dict[str, Callable[..., RecurrentLayer]] = {"simple_rnn": SimpleRNN, "lstm": LSTM, "gru": GRU}


#: What each makes of the module of schedules and the number of epochs, over which it ends.
SCHEDULES: dict[str, Callable[[Any, int], Callback | None]] = {
    "linear_decay": lambda schedules, epochs: schedules.LinearDecay(epochs),
    "cosine_decay": lambda schedules, epochs: schedules.CosineDecay(epochs),
    "exponential_decay": lambda schedules, epochs: schedules.ExponentialDecay(0.01 ** (1 / epochs)),
    "step_decay": lambda schedules, epochs: schedules.StepDecay(max(1, epochs // 3)),
    "one_cycle": lambda schedules, epochs: schedules.OneCycle(epochs),
    "reduce_on_plateau": lambda schedules, epochs: schedules.ReduceOnPlateau("loss"),
    "constant": lambda schedules, epochs: None,
}


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


def find_cell(name: str) -> Callable[..., RecurrentLayer]:
    """Return the layer class of that name.

    Raises
    ------
    UnknownNameError
    """
    if name not in CELLS:
        raise unknown("cell", name, CELLS)
    return CELLS[name]


def build_stack(
    first: Layer,
    cell: Callable[..., RecurrentLayer],
    units: int,
    classes: int,
    *,
    layers: int,
    bidirectional: bool,
    dropout: float,
    per_step: bool = False,
    beside: Callable[[Layer], Layer] | None = None,
    end: tuple[Layer, ...] = (),
) -> Sequential:
    """Return a first layer, layers of a cell, each with dropout behind it where there is any, and the classes' Dense.

    Parameters
    ----------
    first : Layer
        What features go through before.
    cell : callable
        From `find_cell`.
    units, classes : int
    layers : int
        How many recurrent layers; all but the last give their whole sequence to the next.
    bidirectional : bool
        Whether each reads in both directions, with ``units`` for each.
    dropout : float
        The share of each recurrent layer's outputs that training leaves out.
    per_step : bool
        Whether the last layer gives its whole sequence too.
    beside : callable, optional
        What makes of the layers of cells, taken together, what goes to the Dense.
    end : tuple of Layer
        What follows the Dense.
    """
    stack: list[Layer] = []
    for index in range(layers):
        recurrent = cell(units, return_sequences=per_step or index < layers - 1)
        stack.append(Bidirectional(recurrent) if bidirectional else recurrent)
        if dropout:
            stack.append(Dropout(dropout))
    if beside is not None:
        stack = [beside(Sequential(*stack))]
    return Sequential(first, *stack, Dense(classes), *end)


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


def find_schedule(name: str, epochs: int) -> Callback | None:
    """Return the schedule of that name for so many epochs; None where the rate stays as it is.

    Raises
    ------
    UnknownNameError
    """
    # As with optimizers, CosineDecay and cosine-decay are the same name.
    wanted = name.replace("-", "").replace("_", "").lower()
    make = next((make for known, make in SCHEDULES.items() if known.replace("_", "") == wanted), None)
    if make is None:
        raise unknown("schedule", name, SCHEDULES)
    from lamina.optimizers import schedules  # here, as `lamina --help` needs none

    return make(schedules, epochs)


def rates() -> dict[str, float]:
    """Return the learning rates that are used where none is given, by optimizer."""
    return {name.lower(): rate for name, (rate, _) in _RECIPES.items()}
