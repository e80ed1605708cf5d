"""Further activations, normalization and what changes shapes equal PyTorch's, with their gradients."""

import numpy as np
import pytest

from lamina.layers import (
    ELU,
    GELU,
    Add,
    BatchNorm,
    LayerNorm,
    LeakyReLU,
    LogSoftmax,
    Multiply,
    Permute,
    RepeatVector,
    Reshape,
    SiLU,
)

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")
pytestmark = pytest.mark.parity

SHAPES = [(6, 4), (3, 5, 4)]


def numbers(*shape, seed=0):
    return np.random.default_rng((seed, *shape)).standard_normal(shape)


ACTIVATIONS = {
    "GELU": (GELU, torch.nn.GELU()),
    "GELU tanh": (lambda: GELU(approximate="tanh"), torch.nn.GELU(approximate="tanh")),
    "SiLU": (SiLU, torch.nn.SiLU()),
    "LeakyReLU": (lambda: LeakyReLU(0.2), torch.nn.LeakyReLU(0.2)),
    "ELU": (lambda: ELU(0.7), torch.nn.ELU(0.7)),
    "LogSoftmax": (LogSoftmax, torch.nn.LogSoftmax(-1)),
}


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("scale", [1.0, 30.0])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation(equal, backend, shape, scale, name):
    make, theirs = ACTIVATIONS[name]
    layer = make()
    layer.build(shape, backend=backend, dtype="float64")
    x, dy = scale * numbers(*shape), numbers(*shape, seed=1)
    y, saved = layer.forward(x)
    dx = layer.backward(dy, saved)
    x_t = torch.tensor(x, requires_grad=True)
    y_t = theirs(x_t)
    y_t.backward(torch.tensor(dy))
    equal(name, y, y_t)
    equal(name, dx, x_t.grad)


SHAPED = {
    "Add": (Add, [(3, 5, 4)] * 3, lambda a, b, c: a + b + c),
    "Multiply": (Multiply, [(3, 5, 4)] * 3, lambda a, b, c: a * b * c),
    "Reshape": (lambda: Reshape((2, -1, 5)), [(3, 5, 4)], lambda x: x.reshape(3, 2, 2, 5)),
    "RepeatVector": (lambda: RepeatVector(4), [(3, 5)], lambda x: x.unsqueeze(1).expand(3, 4, 5)),
    "Permute": (lambda: Permute((3, 1, 2)), [(3, 5, 4, 2)], lambda x: x.permute(0, 3, 1, 2)),
}


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("name", SHAPED)
def test_layers_that_combine_or_change_shapes(equal, backend, name):
    make, shapes, theirs = SHAPED[name]
    layer = make()
    layer.build(*shapes, backend=backend, dtype="float64")
    inputs = [numbers(*shape, seed=index) for index, shape in enumerate(shapes)]
    y, saved = layer.forward(*inputs)
    dy = numbers(*y.shape, seed=9)
    dx = layer.backward(dy, saved)
    inputs_t = [torch.tensor(x, requires_grad=True) for x in inputs]
    y_t = theirs(*inputs_t)
    y_t.backward(torch.tensor(dy))
    equal(name, y, y_t)
    for own, x_t in zip(dx if isinstance(dx, tuple) else (dx,), inputs_t, strict=True):
        equal(name, own, x_t.grad)


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("affine", [True, False], ids=["affine", "plain"])
def test_layer_norm(equal, backend, shape, affine):
    layer = LayerNorm(epsilon=1e-3, use_scale=affine, use_shift=affine)
    layer.build(shape, backend=backend, dtype="float64")
    theirs = torch.nn.LayerNorm(4, eps=1e-3, elementwise_affine=affine, dtype=torch.float64)
    if affine:
        share(layer, theirs)
    x, dy = 2 * numbers(*shape) + 1, numbers(*shape, seed=1)
    y, saved = layer.forward(x)
    dx = layer.backward(dy, saved)
    x_t = torch.tensor(x, requires_grad=True)
    y_t = theirs(x_t)
    y_t.backward(torch.tensor(dy))
    equal("LayerNorm", y, y_t)
    equal("LayerNorm", dx, x_t.grad)
    if affine:
        equal("LayerNorm", layer.scale.grad, theirs.weight.grad)
        equal("LayerNorm", layer.shift.grad, theirs.bias.grad)


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize(
    ("shape", "lengths"),
    [((20, 4), None), ((4, 5, 4), None), ((4, 5, 4), [5, 0, 2, 1])],
    ids=["rows", "sequence", "ragged"],
)
def test_batch_norm(equal, backend, shape, lengths):
    """Ragged: PyTorch gets the valid rows alone, one after another."""
    layer = BatchNorm(momentum=0.3, epsilon=1e-3)
    layer.build(shape, backend=backend, dtype="float64")
    theirs = torch.nn.BatchNorm1d(4, eps=1e-3, momentum=0.3, dtype=torch.float64)
    share(layer, theirs)
    valid = np.ones(shape[:-1], bool) if lengths is None else np.arange(5) < np.array(lengths)[:, None]
    own = None if lengths is None else np.array(lengths)
    name = "BatchNorm" if lengths is None else "BatchNorm ragged"
    for step in range(3):
        x, dy = 2 * numbers(*shape, seed=step) + 1, numbers(*shape, seed=10 + step)
        layer.zero_grad()
        theirs.zero_grad()
        y, saved = layer.forward(x, own)
        dx = layer.backward(dy, saved)
        x_t = torch.tensor(x[valid], requires_grad=True)
        y_t = theirs(x_t)
        y_t.backward(torch.tensor(dy[valid]))
        equal(name, y[valid], y_t)
        equal(name, dx[valid], x_t.grad)
        equal(name, layer.scale.grad, theirs.weight.grad)
        equal(name, layer.shift.grad, theirs.bias.grad)
        equal(f"{name} running", layer.running_mean.data, theirs.running_mean)
        equal(f"{name} running", layer.running_variance.data, theirs.running_var)
        assert not y[~valid].any()
        assert not dx[~valid].any()
    theirs.eval()
    equal(f"{name} inference", layer(x, lengths=own)[valid], theirs(torch.tensor(x[valid])))


def share(layer, theirs):
    layer.scale.data, layer.shift.data = numbers(4, seed=5), numbers(4, seed=6)
    with torch.no_grad():
        theirs.weight.copy_(torch.tensor(layer.scale.data))
        theirs.bias.copy_(torch.tensor(layer.shift.data))
