"""GELU beside the generic kernel."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import lamina
from lamina import layers
from tests.backends.numba.engine.programs import DTYPES, check_kernel, check_model, run_kernel


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_output_and_gradient_are_the_generic_kernels(approximate, dtype):
    corners = [0.0, 7.0, -7.0, 50.0, -50.0, np.nan]
    x = np.random.default_rng(0).normal(scale=3, size=(9, 6)).astype(dtype)
    x[0] = corners
    check_kernel("gelu", x, {"approximate": approximate})


def test_the_lower_tail_keeps_its_digits():
    # x P(Z <= x), with 25 digits
    x = np.array([[-5.0, -1.0]], "float32")
    expected = [[-1.433257859649e-6, -0.158655253931457]]
    np.testing.assert_allclose(run_kernel("gelu", x, approximate="none").y, expected, rtol=3e-6)


def test_a_layer_of_it_is_planned():
    check_model(lambda: lamina.Sequential(layers.GELU(), layers.Dense(3), layers.LastStep()), "float64", ragged=True)
