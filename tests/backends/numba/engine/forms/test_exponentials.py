"""Exponential activations and powers beside the generic kernels."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import lamina
from lamina import layers
from tests.backends.numba.engine.programs import DTYPES, check_kernel, run_kernel

KERNELS = {
    "elu": {"alpha": 0.7},
    "selu": {"alpha": 1.6732632423543772, "scale": 1.0507009873554805},
    "celu": {"alpha": 1.7},
    "softplus": {"beta": 1.5},
    "mish": {},
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel", KERNELS)
def test_output_and_gradient_are_the_generic_kernels(kernel, dtype):
    x = np.random.default_rng(0).normal(scale=5, size=(9, 13)).astype(dtype)
    check_kernel(kernel, x, KERNELS[kernel])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel", KERNELS)
def test_far_numbers_and_nan_are_as_generic(kernel, dtype):
    corners = [0.0, -30.0, 60.0, 1e30, -1e30, np.nan]
    x = np.zeros((len(corners), 2), dtype)
    x[:, 0] = corners
    check_kernel(kernel, x, KERNELS[kernel])


def test_near_0_exp_less_1_keeps_its_digits():
    x = -np.geomspace(1e-30, 1e-3, 40).astype("float32").reshape(20, 2)
    np.testing.assert_allclose(run_kernel("elu", x, alpha=1.0).y, np.expm1(x.astype("float64")), rtol=2e-6)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("exponent", [2.0, 0.5, -1.0, 0.0])
def test_powers_are_the_layers(exponent, dtype):
    x = np.random.default_rng(0).uniform(0.1, 3, size=(5, 4)).astype(dtype)
    passed, layer = run_kernel("power", x, exponent=exponent), lamina.layers.Power(exponent)
    layer.build((None, 4), dtype=dtype)
    y, saved = layer.forward(x)
    np.testing.assert_allclose(passed.y, y, rtol=1e-5)
    np.testing.assert_allclose(passed.dx, layer.backward(passed.dy, saved), rtol=1e-4, atol=1e-7)


def test_layers_name_these_kernels():
    for name, layer in (("elu", layers.ELU()), ("selu", layers.SELU()), ("mish", layers.Mish())):
        assert layer.kernel_name == name
