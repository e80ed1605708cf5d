"""What users write, in PyTorch: the parts of random models, and the examples of the registry of cases."""

import torch

from lamina.testing.cases.examples import LeakyPair
from lamina.testing.random_models import parts
from lamina.testing.random_models.operators import OPERATORS
from tests.parity.twin_containers import joined
from tests.parity.twin_layers import dense
from tests.parity.twin_recurrent import gru, lstm
from tests.parity.twin_rows import as_tuple, each_row, expresses

__all__ = []

# Their settings, decorators and names are other than the classes' they extend; what they compute is not.
expresses(parts.KeywordDense, parts.LoggedDense)(dense)
expresses(parts.KeywordGRU, parts.LoggedGRU)(gru)
expresses(parts.KeywordLSTM)(lstm)


@expresses(parts.Doubled)
def doubled(run, layer, x):
    return dense(run, layer, x).map(lambda row: 2 * row)


@expresses(parts.DoubledGRU)
def doubled_gru(run, layer, x, *states):
    return gru(run, layer, x, *states).map(lambda row: 2 * row)


@expresses(parts.DecoratedMean)
@each_row
def decorated_mean(run, layer, x):
    return x.mean(1) if x.shape[1] else x.sum(1)


@expresses(parts.Noise)
@each_row
def noise(run, layer, x):
    """Halve what a mask does not keep; the mask comes as Dropout's does."""
    factor = (1 + run.keep_mask(layer, x.shape, 0.5).to(x.dtype)) / 2 if run.training else 1
    return x * factor * run.of(layer.scale)


@expresses(parts.Graph)
def graph(run, model, *inputs):
    values = list(inputs)
    for what, *places in model.steps:
        taken = [values[place] for place in places]
        if what in OPERATORS:
            values.append(OPERATORS[what].run(*taken))
        else:
            values.extend(as_tuple(joined(what, *taken) if isinstance(what, str) else run(model.layers[what], *taken)))
    given = tuple(values[place] for place in model.outputs)
    return given if len(given) > 1 else given[0]


# Cells: of x (batch, features) and the states before, to the states after.


def halved(*values):
    return joined("add", *values).map(lambda row: row / 2)


@expresses(parts.Averaging)
def averaging(run, cell, x, h):
    return halved(h, run(cell.inner, x))


@expresses(parts.Mixing)
def mixing(run, cell, x, h):
    return joined("add", run(cell.first, x), run(cell.second, h)).map(torch.tanh)


@expresses(parts.Remembering)
def remembering(run, cell, x, h, c):
    after = halved(c, run(cell.inner, x))
    return joined("add", after.map(torch.tanh), halved(h)), after


@expresses(LeakyPair)
@each_row
def leaky_pair(run, cell, x, h, c):
    return torch.tanh(x @ run.of(cell.w) + c), run.of(cell.leak) * c + h
