"""What a PyTorch twin works on: the rows of a batch, each run alone, and the pass over a model's layers."""

import operator
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from lamina.kinds.random import fixed_draws, rows_of_batch

__all__ = [
    "LAYERS",
    "NotExpressible",
    "Pass",
    "Rows",
    "as_tuple",
    "by_row",
    "each_row",
    "expresses",
    "together",
    "uncut",
]

LAYERS: dict[type, Callable] = {}


class NotExpressible(Exception):
    """What a model has that the twin cannot say in PyTorch."""


@dataclass(frozen=True)
class Rows:
    """A value of a model: one tensor for each row of the batch, a batch of one each, without any padding.

    ``cut`` says of each row whether there was padding behind it. Layers that take padding for data need to know:
    nothing here knows what the padding would have been.
    """

    each: tuple[torch.Tensor, ...]
    cut: tuple[bool, ...]

    def map(self, function):
        """Return what a function makes of each row."""
        return Rows(tuple(map(function, self.each)), self.cut)

    # What a compose does with its values, on each row as PyTorch does it.

    def __add__(self, other):
        return together(operator.add, self, other)

    def __radd__(self, other):
        return together(operator.add, other, self)

    def __sub__(self, other):
        return together(operator.sub, self, other)

    def __rsub__(self, other):
        return together(operator.sub, other, self)

    def __mul__(self, other):
        return together(operator.mul, self, other)

    def __rmul__(self, other):
        return together(operator.mul, other, self)

    def __truediv__(self, other):
        return together(operator.truediv, self, other)

    def __rtruediv__(self, other):
        return together(operator.truediv, other, self)

    def __neg__(self):
        return self.map(operator.neg)

    def __pow__(self, exponent):
        return self.map(lambda row: row**exponent)

    def __getitem__(self, index):
        return by_row(lambda place, row: _part(row, index if isinstance(index, tuple) else (index,)), self)


def together(function, *values):
    """Return what a function makes of rows and numbers; what has no time axis is taken for every step."""
    rank = max(rows.each[0].ndim for rows in values if isinstance(rows, Rows))

    def at(place, *tensors):
        found = iter(tensors)
        taken = [next(found) if isinstance(rows, Rows) else rows for rows in values]
        return function(*[_raised(one, rank) if isinstance(one, torch.Tensor) else one for one in taken])

    return by_row(at, *[rows for rows in values if isinstance(rows, Rows)])


def _raised(row, rank):
    return row if row.ndim == rank else row.reshape(row.shape[0], *(1,) * (rank - row.ndim), *row.shape[1:])


def _part(row, index):
    """Return a row's part, by an index as of NumPy's arrays; 0 for a step that it does not have."""
    if Ellipsis in index:
        place = index.index(Ellipsis)
        index = (*index[:place], *(slice(None),) * (row.ndim - len(index) + 1), *index[place + 1 :])
    gone = 0
    for axis, one in enumerate(index):
        size = row.shape[axis - gone]
        if isinstance(one, slice):
            row = row.index_select(axis - gone, torch.tensor(range(*one.indices(size)), dtype=torch.int64))
        elif -size <= one < size:
            row, gone = row.select(axis - gone, one), gone + 1
        else:
            row, gone = row.sum(axis - gone) * 0, gone + 1
    return row


def expresses(*classes):
    """Note a function as what instances of these very classes do; subclasses may do anything else."""

    def note(function):
        LAYERS.update(dict.fromkeys(classes, function))
        return function

    return note


def as_tuple(values):
    return values if isinstance(values, tuple) else (values,)


def uncut(what, *values):
    """Raise where a row was cut, for what takes padding for data."""
    if any(any(rows.cut) for rows in values):
        raise NotExpressible(f"{what} of padded rows")


def by_row(function, *inputs):
    """Return what a function of a row's place and its tensors gives of each row, a tuple of several outputs."""
    every = zip(*[rows.each for rows in inputs], strict=True)
    results = [as_tuple(function(place, *tensors)) for place, tensors in enumerate(every)]
    cut = [any(row) for row in zip(*[rows.cut for rows in inputs], strict=True)]
    outputs = tuple(
        # Without a time axis there is nothing left to pad.
        Rows(tensors, tuple(own and tensor.ndim > 2 for own, tensor in zip(cut, tensors, strict=True)))
        for tensors in zip(*results, strict=True)
    )
    return outputs if len(outputs) > 1 else outputs[0]


def each_row(function):
    """Make a function of a pass, a layer and rows of one that takes the tensors of a single row."""

    def over_rows(run, layer, *inputs):
        def at(place, *tensors):
            with run.among([place]):
                return function(run, layer, *tensors)

        return by_row(at, *inputs)

    return over_rows


class Pass:
    """One run over a model's layers.

    Parameters
    ----------
    tensors : dict of int to tensor
        What stands for each parameter, by the parameter's id: tied and shared ones are one tensor.
    training : bool
        Whether layers behave as in training.
    batch : int
        How many rows there are.
    draws : int
        From which masks are drawn in training, see `fixed_draws`.

    Attributes
    ----------
    places : sequence of int
        Which rows of the batch those are that are run.
    """

    def __init__(self, tensors, batch, training=False, draws=0):
        self.tensors = tensors
        self.training = training
        self.draws = draws
        self.places = range(batch)
        # Of each table, by the parameter's id, the rows that ids name, and of these those that a gradient came to.
        self.named, self.used = {}, {}

    def of(self, parameter):
        """Return what stands for a parameter, None for None."""
        return None if parameter is None else self.tensors[id(parameter)]

    @contextmanager
    def among(self, places):
        """Within it, run some of the rows alone, by their places among those that are run."""
        outer, self.places = self.places, [self.places[place] for place in places]
        yield
        self.places = outer

    def keep_mask(self, layer, shape, rate):
        """Return which elements of the one row a layer keeps: drawn by the layer, as no one else can, for it alone.

        What is compared is what is done with a mask, and that a row's does not depend on the batch around it.
        """
        with fixed_draws(self.draws), rows_of_batch(*self.places):
            return torch.from_numpy(np.array(layer.keep_mask(tuple(shape), rate)))

    def kept_scores(self, layer, queries, keys):
        """Return which scores of the one row an attention keeps, as `keep_mask` does: (1, heads, queries, keys)."""
        with fixed_draws(self.draws), rows_of_batch(*self.places):
            return torch.from_numpy(np.array(layer.kept_scores(1, queries, keys))).transpose(1, 2)

    def __call__(self, layer, *inputs):
        """Run a layer on rows; return rows, or a tuple of several outputs."""
        run = LAYERS.get(type(layer))
        if run is None:
            run = next((found for kind, found in BASES.items() if isinstance(layer, kind)), None)
        if run is None:
            raise NotExpressible(f"layer {type(layer).__name__}")
        return run(self, layer, *[rows for rows in inputs if rows is not None])


# What whole kinds of layers do, such as a composite of a user's.
BASES: dict[type, Callable] = {}
