"""Rectifiers, soft and gated activations, and normalization of rows and groups equal PyTorch's, with their gradients.

PyTorch gets rows alone, cut to their lengths. It is compared where it is right itself: its softplus is the identity
beyond a threshold, and in float64 its hard sigmoid takes 1/6, and CELU 1/alpha, from float32.
"""

from typing import Any

import numpy as np
import pytest

from lamina.layers import (
    CELU,
    GLU,
    SELU,
    GroupNorm,
    HardSigmoid,
    HardSwish,
    LayerNorm,
    LogSoftmax,
    Mish,
    PReLU,
    ReLU6,
    RMSNorm,
    Softmax,
    Softplus,
    Softsign,
    Standardize,
)

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")
pytestmark = pytest.mark.parity
nn, F = torch.nn, torch.nn.functional

LENGTHS = np.array([5, 0, 2])


def numbers(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng((seed, *shape)).standard_normal(shape)


ACTIVATIONS: dict[str, tuple[Any, Any]] = {
    "ReLU6": (ReLU6, nn.ReLU6()),
    "HardSigmoid": (HardSigmoid, lambda x: F.relu6(x + 3) / 6),
    "HardSwish": (HardSwish, nn.Hardswish()),
    "Softplus": (Softplus, nn.Softplus(threshold=500)),
    "Softplus beta": (lambda: Softplus(3.0), nn.Softplus(3.0, threshold=500)),
    "Softsign": (Softsign, nn.Softsign()),
    "SELU": (SELU, nn.SELU()),
    "CELU": (lambda: CELU(0.5), nn.CELU(0.5)),
    "Mish": (Mish, nn.Mish()),
    "GLU": (GLU, nn.GLU()),
    "GLU silu": (lambda: GLU("silu"), lambda x: x.chunk(2, -1)[0] * F.silu(x.chunk(2, -1)[1])),
    "GLU gelu": (lambda: GLU("gelu"), lambda x: x.chunk(2, -1)[0] * F.gelu(x.chunk(2, -1)[1])),
    "Softmax time": (lambda: Softmax(1), nn.Softmax(1)),
    "Softmax axis": (lambda: Softmax(-2), nn.Softmax(-2)),
    "LogSoftmax time": (lambda: LogSoftmax(1), nn.LogSoftmax(1)),
}


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("scale", [1.0, 30.0])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation(equal: Any, backend: str, scale: float, name: str) -> None:
    make, theirs = ACTIVATIONS[name]
    layer = make()
    layer.build((3, 5, 4), backend=backend, dtype="float64")
    x = scale * numbers(3, 5, 4)
    x[0, 0] = [-3.0, 3.0, 0.0, 6.0]  # where slopes jump
    y, saved = layer.forward(x)
    dy = numbers(*y.shape, seed=1)
    dx = layer.backward(dy, saved)
    x_t = torch.tensor(x, requires_grad=True)
    y_t = theirs(x_t)
    y_t.backward(torch.tensor(dy))
    equal(name, y, y_t)
    equal(name, dx, x_t.grad)


SMOOTH = ["ReLU6", "HardSigmoid", "HardSwish", "Softplus", "Softsign", "SELU", "CELU", "Mish"]


@pytest.mark.parametrize("backend", ["numpy", "reference", "numba"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", SMOOTH)
def test_in_the_tails_float32_is_torchs_float64(backend: str, dtype: str, name: str) -> None:
    """Each number and slope to as many digits as its dtype has, absolutely where torch itself loses them."""
    if backend == "numba":
        pytest.importorskip("numba")
    make, theirs = ACTIVATIONS[name]
    layer = make()
    layer.build((None, 14), backend=backend, dtype=dtype)
    x = np.array([[-1000.0, -100.0, -50.0, -20.0, -10.0, -5.0, -1.0, 1.0, 5.0, 10.0, 20.0, 50.0, 100.0, 1000.0]], dtype)
    y, saved = layer.forward(x)
    dx = layer.backward(np.ones_like(x), saved)
    x_t = torch.tensor(x.astype(np.float64), requires_grad=True)
    y_t = theirs(x_t)
    y_t.sum().backward()
    digits = 1e-6 if dtype == "float32" else 1e-13
    np.testing.assert_allclose(y, y_t.detach().numpy(), rtol=digits, atol=0.01 * digits)
    np.testing.assert_allclose(dx, x_t.grad.numpy(), rtol=digits, atol=0.01 * digits)


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("shared", [True, False])
def test_prelu(equal: Any, backend: str, shared: bool) -> None:
    """PyTorch's channels stand on axis 1."""
    layer = PReLU(shared=shared)
    layer.build((3, 5, 4), backend=backend, dtype="float64")
    layer.slope.data = numbers(1 if shared else 4, seed=2)
    theirs = nn.PReLU(1 if shared else 4, dtype=torch.float64)
    with torch.no_grad():
        theirs.weight.copy_(torch.tensor(layer.slope.numpy()))
    x, dy = numbers(3, 5, 4), numbers(3, 5, 4, seed=1)
    y, saved = layer.forward(x)
    dx = layer.backward(dy, saved)
    x_t = torch.tensor(x, requires_grad=True)
    y_t = theirs(x_t.movedim(-1, 1)).movedim(1, -1)
    y_t.backward(torch.tensor(dy))
    for own, other in ((y, y_t), (dx, x_t.grad), (layer.slope.grad, theirs.weight.grad)):
        equal("PReLU", own, other)


NORMS: dict[str, tuple[Any, Any, Any]] = {
    "RMSNorm": (lambda: RMSNorm(epsilon=1e-3), lambda: nn.RMSNorm(4, 1e-3, dtype=torch.float64), None),
    "GroupNorm": (lambda: GroupNorm(2, epsilon=1e-3), lambda: nn.GroupNorm(2, 4, 1e-3, dtype=torch.float64), (0, 2, 1)),
    "GroupNorm 1": (lambda: GroupNorm(1), lambda: nn.GroupNorm(1, 4, dtype=torch.float64), (0, 2, 1)),
    "GroupNorm 4": (lambda: GroupNorm(4), lambda: nn.GroupNorm(4, 4, dtype=torch.float64), (0, 2, 1)),
    "LayerNorm row": (lambda: LayerNorm(axis=(1, 2)), lambda: nn.LayerNorm((5, 4), dtype=torch.float64), None),
    "LayerNorm time": (lambda: LayerNorm(axis=1), lambda: nn.LayerNorm(5, dtype=torch.float64), (0, 2, 1)),
}


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("name", NORMS)
def test_norm(equal: Any, backend: str, name: str) -> None:
    make, their, turned = NORMS[name]
    layer, theirs = make(), their()
    layer.build((3, 5, 4), backend=backend, dtype="float64")
    pairs = list(zip(layer.parameters(), theirs.parameters(), strict=True))
    for place, (own, other) in enumerate(pairs):
        own.data = numbers(*own.shape, seed=5 + place)
        with torch.no_grad():
            other.copy_(torch.tensor(own.numpy()))
    x, dy = 2 * numbers(3, 5, 4) + 1, numbers(3, 5, 4, seed=1)
    y, saved = layer.forward(x)
    dx = layer.backward(dy, saved)
    x_t = torch.tensor(x, requires_grad=True)
    y_t = theirs(x_t) if turned is None else theirs(x_t.permute(turned)).permute(turned)
    y_t.backward(torch.tensor(dy))
    equal(name, y, y_t)
    equal(name, dx, x_t.grad)
    for own, other in pairs:
        equal(name, own.grad, other.grad)


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("name", ["GroupNorm", "GroupNorm 1"])
def test_group_norm_of_ragged_rows(equal: Any, backend: str, name: str) -> None:
    make, their, _ = NORMS[name]
    layer, theirs = make(), their()
    layer.build((None, None, 4), backend=backend, dtype="float64")
    x, dy = 2 * numbers(3, 5, 4) + 1, numbers(3, 5, 4, seed=1)
    y, saved = layer.forward(x, lengths=LENGTHS)
    dx = layer.backward(dy, saved)
    for row, length in enumerate(LENGTHS):
        assert not y[row, length:].any()
        assert not dx[row, length:].any()
        if length:
            x_t = torch.tensor(x[row : row + 1, :length], requires_grad=True)
            y_t = theirs(x_t.movedim(-1, 1)).movedim(1, -1)
            y_t.backward(torch.tensor(dy[row : row + 1, :length]))
            equal(f"{name} ragged", y[row : row + 1, :length], y_t)
            equal(f"{name} ragged", dx[row : row + 1, :length], x_t.grad)
    equal(f"{name} ragged", layer.scale.grad, theirs.weight.grad)
    equal(f"{name} ragged", layer.shift.grad, theirs.bias.grad)


def test_standardize(equal: Any) -> None:
    """Of the steps there are; torch's deviation is asked for without its correction."""
    x = 3 * numbers(3, 5, 4) + 10
    layer = Standardize().adapt(x, LENGTHS)
    layer.build((None, None, 4), dtype="float64")
    steps = torch.tensor(np.concatenate([row[:length] for row, length in zip(x, LENGTHS, strict=True)]))
    wanted = (torch.tensor(x) - steps.mean(0)) / steps.std(0, correction=0)
    equal("Standardize", layer(x), wanted)
