"""What operators and slices stand for in a ``compose``, and functions, in PyTorch: on rows without padding."""

import operator

import torch

from lamina import layers
from tests.parity.twin_rows import by_row, each_row, expresses, together, uncut

__all__ = []

# Of the functions that models name in `Lambda`, by those names; PyTorch finds their gradients.
FUNCTIONS = {
    "sine": torch.sin,
    "mixture": lambda a, b: a * b[..., :1],
    "rational": lambda x: x / (1 + x**2),
    "sum of steps": lambda x: x.sum(1),
}


@expresses(layers.Add)
def add(run, layer, first, *others):
    for rows in others:
        first = together(operator.add, first, rows)
    return first


@expresses(layers.Multiply)
def multiply(run, layer, first, *others):
    for rows in others:
        first = together(operator.mul, first, rows)
    return first


@expresses(layers.Subtract)
def subtract(run, layer, a, b):
    return a - b


@expresses(layers.Divide)
def divide(run, layer, a, b):
    return a / b


@expresses(layers.Rescaling)
@each_row
def rescaling(run, layer, x):
    return layer.scale * x + layer.offset


@expresses(layers.Power)
@each_row
def power(run, layer, x):
    return x**layer.exponent


@expresses(layers.Slice)
def sliced(run, layer, x):
    return x[along(layer.axis, x, slice(layer.start, layer.stop, layer.step))]


@expresses(layers.Select)
def select(run, layer, x):
    if x.each[0].ndim == 3 and layer.axis % 3 == 2:
        uncut("features taken away", x)
    return x[along(layer.axis, x, layer.index)]


@expresses(layers.Split)
def split(run, layer, x):
    size = layer.input_shapes[0][layer.axis]
    sizes = [size // layer.parts] * layer.parts if isinstance(layer.parts, int) else layer.parts
    stops = [sum(sizes[: place + 1]) for place in range(len(sizes))]
    return tuple(x[along(layer.axis, x, slice(stop - own, stop))] for stop, own in zip(stops, sizes, strict=True))


@expresses(layers.Lambda)
def function(run, layer, *inputs):
    return by_row(lambda place, *rows: FUNCTIONS[layer.function](*rows), *inputs)


def along(axis, x, index):
    """Return an index of one axis."""
    axis %= x.each[0].ndim
    return (*(slice(None),) * axis, index)
