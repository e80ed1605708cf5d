"""Rectifiers and activations by tanh beside the generic kernels."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import lamina
from lamina import layers
from tests.backends.numba.engine.programs import DTYPES, check_kernel, check_model, run_kernel

KERNELS = {
    "relu": {},
    "relu6": {},
    "leaky_relu": {"slope": 0.1},
    "hard_sigmoid": {"slope": 0.3, "offset": 0.4},
    "hard_swish": {},
    "softsign": {},
    "tanh": {},
    "sigmoid": {},
    "silu": {},
}


def numbers(dtype):
    return np.random.default_rng(0).normal(scale=4, size=(9, 13)).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel", KERNELS)
def test_output_and_gradient_are_the_generic_kernels(kernel, dtype):
    check_kernel(kernel, numbers(dtype), KERNELS[kernel])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel", KERNELS)
def test_corners_and_what_is_not_finite_are_seen(kernel, dtype):
    corners = [0.0, 6.0, -3.0, 3.0, 1e30, -1e30, np.nan]
    if kernel != "silu":  # whose generic kernel makes nan of minus infinity times 0, as this does
        corners += [np.inf, -np.inf]
    x = np.zeros((len(corners), 2), dtype)
    x[:, 0] = corners
    check_kernel(kernel, x, KERNELS[kernel])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale, offset", [(-1.0, 1.0), (1.0, 0.0), (2.5, -0.5)])
def test_rescaling_is_the_layers(scale, offset, dtype):
    x = numbers(dtype)
    passed, layer = run_kernel("rescaling", x, scale=scale, offset=offset), layers.Rescaling(scale, offset)
    layer.build((None, 13), dtype=dtype)
    y, saved = layer.forward(x)
    np.testing.assert_allclose(passed.y, y, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(passed.dx, layer.backward(passed.dy, saved), rtol=1e-5, atol=1e-8)


def test_a_compose_with_operators_is_planned():
    class Half(lamina.Composite):
        def __init__(self):
            self.inner = layers.Dense(3)

        def compose(self, t, x):
            return 1 - t(self.inner, x) / 2

    check_model(lambda: lamina.Sequential(Half(), layers.LastStep()), "float64", ragged=True)
