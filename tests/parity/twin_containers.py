"""Containers, in PyTorch: which layer gets what of which other one."""

import torch

from lamina import Bidirectional, Composite, Concat, Residual, Sequential
from tests.parity.twin_rows import BASES, NotExpressible, as_tuple, by_row, expresses, uncut

__all__ = ["joined"]


def joined(how, *values, axis=-1):
    """Return the sum, product, mean or concatenation of rows."""
    if how == "concatenate" and axis % values[0].each[0].ndim == 1 and values[0].each[0].ndim > 2:
        uncut("time axes joined", *values)

    def join(place, *tensors):
        if how == "concatenate":
            return torch.cat(tensors, axis)
        stacked = torch.stack(tensors)
        return {"add": stacked.sum, "multiply": stacked.prod, "average": stacked.mean}[how](0)

    return by_row(join, *values)


@expresses(Sequential)
def sequential(run, model, *inputs):
    for layer in model.layers:
        inputs = as_tuple(run(layer, *inputs))
    return inputs if len(inputs) > 1 else inputs[0]


@expresses(Residual)
def residual(run, model, x):
    return joined("add", run(model.inner, x), x)


@expresses(Concat)
def concat(run, model, *inputs):
    values = [run(branch, *inputs) for branch in model.branches] or inputs
    return joined("concatenate", *values, axis=model.axis)


MERGES = {"concat": "concatenate", "sum": "add", "multiply": "multiply", "average": "average"}


@expresses(Bidirectional)
def bidirectional(run, model, x, *states):
    count = len(states) // 2
    ahead, back = (
        as_tuple(run(layer, x, *own)) for layer, own in ((model.layer, states[:count]), (model.twin, states[count:]))
    )
    y = joined(MERGES[model.merge], ahead[0], back[0])
    return (y, *ahead[1:], *back[1:]) if len(ahead) > 1 else y


class Tape:
    """What a composite's own wiring is called with in place of a tape: values are rows."""

    def __init__(self, run):
        self.run = run

    def __call__(self, layer, *values):
        return self.run(layer, *values)

    def add(self, *values):
        return joined("add", *values)

    def multiply(self, *values):
        return joined("multiply", *values)

    def average(self, *values):
        return joined("average", *values)

    def concatenate(self, *values, axis=-1):
        return joined("concatenate", *values, axis=axis)


def composite(run, model, *inputs):
    if type(model).forward is not Composite.forward or type(model).infer is not Composite.infer:
        raise NotExpressible(f"{type(model).__name__}: a composite with a forward of its own")
    given = model.compose(Tape(run), *inputs)
    return tuple(given) if isinstance(given, list) else given


BASES[Composite] = composite
