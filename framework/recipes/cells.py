"""Stacks of cells, by the cell's name."""

from __future__ import annotations

from collections.abc import Callable

from lamina.compose.bidirectional import Bidirectional
from lamina.compose.sequential import Sequential
from lamina.core.layer import Layer
from lamina.errors import unknown
from lamina.kinds.recurrent import RecurrentLayer
from lamina.layers import GRU, LSTM, Dense, Dropout, SimpleRNN

__all__ = ["CELLS", "NUMBERS_CELL", "NUMBERS_UNITS", "UNITS", "build_stack", "find_cell"]

UNITS = 128
#: To tell numbers: chosen by the errors of 1898 to 1947 among the sunspots of 1700 to 1947.
NUMBERS_CELL = "gru"
NUMBERS_UNITS = 32

#: Each is called with the number of units; the first is for classes.
CELLS: dict[str, Callable[..., RecurrentLayer]] = {"simple_rnn": SimpleRNN, "lstm": LSTM, "gru": GRU}


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
