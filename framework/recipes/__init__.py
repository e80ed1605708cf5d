"""What ``lamina train`` and `lamina.sklearn` train: stacks of cells, and optimizers with settings found to do well.

The settings were chosen by cross-validation on the rows of japanese-vowels that are to train on, never on its test
part.
"""

from lamina.recipes.cells import CELLS, NUMBERS_CELL, NUMBERS_UNITS, UNITS, build_stack, find_cell
from lamina.recipes.optimizers import (
    BATCH_SIZE,
    EPOCHS,
    LABEL_SMOOTHING,
    OPTIMIZER,
    Recipe,
    find_recipe,
    optimizer_names,
    rates,
)
from lamina.recipes.schedules import SCHEDULE, SCHEDULES, find_schedule

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
