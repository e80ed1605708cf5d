"""Softmax and its logarithm beside the generic kernels."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import lamina
from lamina import layers
from lamina.backends.program import Frame, Program
from lamina.core.lowering import Lowering, NotPlanned
from tests.backends.numba.engine.programs import CASES, DTYPES, check_kernel, check_model


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("features", [2, 10, 37])
@pytest.mark.parametrize("kernel", ["softmax", "log_softmax"])
def test_output_and_gradient_are_the_generic_kernels(kernel, features, dtype):
    check_kernel(kernel, np.random.default_rng(0).normal(scale=5, size=(9, features)).astype(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel", ["softmax", "log_softmax"])
def test_large_numbers_and_what_is_not_finite_are_as_generic(kernel, dtype):
    x = np.array([[1e30, 0, -1e30], [0, np.nan, 1], [np.nan, 0, 1], [np.inf, 0, 1], [-np.inf, 0, 1]], dtype)
    check_kernel(kernel, x)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("features", [7, 8, 21])
@pytest.mark.parametrize("kernel", ["softmax", "log_softmax"])
def test_the_largest_number_may_stand_anywhere(kernel, features, dtype):
    x = np.random.default_rng(0).normal(size=(features, features)) + 1e3 * np.eye(features)
    check_kernel(kernel, x.astype(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_models_have_their_own_values(case, dtype):
    def make():
        return lamina.Sequential(
            *(layers.Dense(5), layers.Softmax(), layers.Dense(3), layers.LogSoftmax(), layers.LastStep())
        )

    check_model(make, dtype, **case)


def test_over_another_axis_it_is_not_planned():
    program = Program("float32", 2, 4)
    program.frames.append(Frame(4, None, {}))
    layer = layers.Softmax(axis=1)
    layer.build((None, 4, 2))
    with pytest.raises(NotPlanned, match="over axis 1"):
        Lowering(program)(layer, program.value(2, 0))
