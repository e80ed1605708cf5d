"""Gated linear units: the halves, and which kernel the gate runs."""

from typing import Any

import numpy as np
import pytest

from lamina.backends import Backend, get_backend
from lamina.backends.numpy.activations import NumPyActivationKernels

ACTIVATIONS = ["sigmoid", "tanh", "relu", "gelu", "silu"]


@pytest.fixture(params=["numpy", "reference"])
def backend(request: pytest.FixtureRequest) -> Backend:
    return get_backend(request.param)


def frozen(values: Any) -> np.ndarray:
    array = np.array(values, "float64")
    array.flags.writeable = False
    return array


def test_linear_by_hand(backend: Backend) -> None:
    kernel = backend.select("glu", activation="linear")
    y, saved = kernel.forward(frozen([[2.0, 3.0, 5.0, 7.0]]), activation="linear")
    assert y.tolist() == [[10, 21]]
    assert kernel.backward(frozen([[1.0, 10.0]]), saved).tolist() == [[5, 70, 2, 30]]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_gate_is_the_activations_own_kernel(backend: Backend, activation: str) -> None:
    rng = np.random.default_rng(0)
    x, dy = frozen(rng.standard_normal((2, 5, 6))), frozen(rng.standard_normal((2, 5, 3)))
    kernel = backend.select("glu", activation=activation)
    y, saved = kernel.forward(x, activation=activation)
    gate, content = backend.select(activation).forward(x[..., 3:])
    np.testing.assert_array_equal(y, x[..., :3] * gate)
    slope = backend.select(activation).backward(dy * x[..., :3], content)
    np.testing.assert_array_equal(kernel.backward(dy, saved), np.concatenate([dy * gate, slope], axis=-1))


def test_a_backends_own_activation_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def noted(self: Any, x: Any) -> Any:
        calls.append(x.shape)
        return x, x

    monkeypatch.setattr(NumPyActivationKernels, "tanh_forward", noted)
    get_backend("numpy").select("glu", activation="tanh").forward(frozen([[1.0, 2.0]]), activation="tanh")
    assert calls == [(1, 1)]
