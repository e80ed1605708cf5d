"""Dense and the activations equal torch.nn.Linear and torch's functions, with their gradients."""

import numpy as np
import pytest

from lamina.layers import Dense, ReLU, Sigmoid, Softmax, Tanh

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")
pytestmark = pytest.mark.parity

SHAPES = [(6, 4), (3, 5, 4)]


def numbers(*shape, seed=0):
    return np.random.default_rng((seed, *shape)).standard_normal(shape)


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no-bias"])
def test_dense(equal, backend, shape, bias):
    layer = Dense(7, use_bias=bias, b_initializer="normal")
    layer.build(shape, backend=backend, dtype="float64", seed=1)
    x, dy = numbers(*shape), numbers(*shape[:-1], 7)
    y, saved = layer.forward(x)
    dx = layer.backward(dy, saved)

    linear = torch.nn.Linear(4, 7, bias=bias, dtype=torch.float64)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor(layer.w.data.T.copy()))
        if bias:
            linear.bias.copy_(torch.tensor(layer.b.data))
    x_t = torch.tensor(x, requires_grad=True)
    y_t = linear(x_t)
    y_t.backward(torch.tensor(dy))
    equal("Dense", y, y_t)
    equal("Dense", dx, x_t.grad)
    equal("Dense", layer.w.grad, linear.weight.grad.T)
    if bias:
        equal("Dense", layer.b.grad, linear.bias.grad)


ACTIVATIONS = {
    Tanh: torch.tanh,
    ReLU: torch.relu,
    Sigmoid: torch.sigmoid,
    Softmax: lambda x: torch.softmax(x, -1),
}


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("scale", [1.0, 30.0])
@pytest.mark.parametrize("cls", ACTIVATIONS, ids=lambda cls: cls.__name__)
def test_activation(equal, backend, shape, scale, cls):
    layer = cls()
    layer.build(shape, backend=backend, dtype="float64")
    x, dy = scale * numbers(*shape), numbers(*shape, seed=1)
    y, saved = layer.forward(x)
    dx = layer.backward(dy, saved)
    x_t = torch.tensor(x, requires_grad=True)
    y_t = ACTIVATIONS[cls](x_t)
    y_t.backward(torch.tensor(dy))
    equal(cls.__name__, y, y_t)
    equal(cls.__name__, dx, x_t.grad)
