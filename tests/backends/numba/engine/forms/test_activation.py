"""What activations share: the gradient, where one is wanted."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import lamina
from lamina import layers
from tests.backends.numba.engine.programs import CASES, DTYPES, check_model, run_kernel


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_stacks_of_activations_are_the_models(case, dtype):
    def make():
        return lamina.Sequential(
            *(layers.Dense(6), layers.Tanh(), layers.ELU(), layers.Dense(5), layers.GELU(), layers.LeakyReLU()),
            *(layers.Dense(3), layers.GlobalAveragePool1D()),
        )

    check_model(make, dtype, **case)


def test_before_all_weights_no_gradient_is_asked_for():
    check_model(lambda: lamina.Sequential(layers.Tanh(), layers.LastStep(), layers.Dense(3)), "float64")


def test_nan_comes_through():
    model = lamina.Sequential(layers.ReLU(), layers.LastStep(), layers.Dense(3))
    model.build((None, None, 2), seed=0, dtype="float64")
    y = model(np.full((1, 2, 2), np.nan))
    assert np.isnan(y).all()

    assert np.isnan(run_kernel("relu", np.full((1, 2), np.nan)).y).all()
