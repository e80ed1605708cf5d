"""Layers that torch has no layer for equal the same written with its arrays, with autograd's gradients."""

import math

import numpy as np
import pytest

from lamina import Concat, Residual
from lamina.layers import Dense, Dropout, Flatten, LastStep, PositionalEncoding, RecurrentDropout

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")
pytestmark = pytest.mark.parity

BATCH, TIME, FEATURES = 5, 6, 4
LENGTHS = np.array([3, 6, 1, 6, 2])
BACKENDS = pytest.mark.parametrize("backend", ["numpy", "reference"])


def numbers(*shape, seed=0):
    return np.random.default_rng((seed, *shape)).standard_normal(shape)


def positions(time, features):
    angles = [[t / 10000 ** (2 * (i // 2) / features) for i in range(features)] for t in range(time)]
    table = [[(math.cos if i % 2 else math.sin)(a) for i, a in enumerate(row)] for row in angles]
    return torch.tensor(table, dtype=torch.float64)


LAST = torch.tensor(LENGTHS - 1)
CASES = {
    "Flatten": (Flatten, lambda x: x.flatten(1), {}),
    "LastStep": (LastStep, lambda x: x[:, -1], {}),
    "LastStep, lengths": (LastStep, lambda x: x[torch.arange(BATCH), LAST], {"lengths": LENGTHS}),
    "PositionalEncoding": (PositionalEncoding, lambda x: x + positions(TIME, FEATURES), {}),
}


@BACKENDS
@pytest.mark.parametrize("name", CASES)
def test_layer(equal, backend, name):
    make, theirs, options = CASES[name]
    layer, x = make(), numbers(BATCH, TIME, FEATURES)
    layer.build((None, TIME, FEATURES), backend=backend, dtype="float64")
    y, saved = layer.forward(x, **options)
    dy = numbers(*y.shape, seed=1)
    dx = layer.backward(dy, saved)
    x_t = torch.tensor(x, requires_grad=True)
    y_t = theirs(x_t)
    y_t.backward(torch.tensor(dy))
    equal(name, y, y_t)
    equal(name, dx, x_t.grad)


@BACKENDS
@pytest.mark.parametrize("kind", [Dropout, RecurrentDropout])
def test_dropout(equal, backend, kind):
    """What is dropped is read off the output: the rest is torch's x / (1 - rate)."""
    layer, x, dy = kind(0.4), numbers(BATCH, TIME, FEATURES), numbers(BATCH, TIME, FEATURES, seed=1)
    layer.build((None, None, FEATURES), backend=backend, dtype="float64", seed=0)
    y, saved = layer.forward(x)
    dx = layer.backward(dy, saved)
    kept = y != 0
    assert 0 < kept.mean() < 1
    x_t = torch.tensor(x, requires_grad=True)
    y_t = x_t * torch.tensor(kept) / 0.6
    y_t.backward(torch.tensor(dy))
    equal(kind.__name__, y, y_t)
    equal(kind.__name__, dx, x_t.grad)
    equal(f"{kind.__name__}, inference", layer(x), torch.nn.functional.dropout(x_t, 0.4, training=False))


@BACKENDS
def test_containers(equal, backend):
    inner, outer, beside = Dense(FEATURES), Dense(FEATURES), Dense(3)
    layer = Concat(Residual(inner), Residual(outer), beside)
    layer.build((None, None, FEATURES), backend=backend, dtype="float64", seed=0)
    x = numbers(BATCH, TIME, FEATURES)
    y, saved = layer.forward(x)
    dy = numbers(*y.shape, seed=1)
    dx = layer.backward(dy, saved)
    x_t = torch.tensor(x, requires_grad=True)
    weights = [torch.tensor(own.w.numpy(), requires_grad=True) for own in (inner, outer, beside)]
    y_t = torch.cat([x_t + x_t @ weights[0], x_t + x_t @ weights[1], x_t @ weights[2]], -1)
    y_t.backward(torch.tensor(dy))
    equal("Concat, Residual", y, y_t)
    equal("Concat, Residual", dx, x_t.grad)
    for own, weight in zip((inner, outer, beside), weights, strict=True):
        equal("Concat, Residual", own.w.grad, weight.grad)
