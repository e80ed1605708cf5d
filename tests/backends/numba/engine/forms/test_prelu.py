"""PReLU in models."""

import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import lamina
from lamina import layers
from tests.backends.numba.engine.programs import CASES, DTYPES, check_model


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("shared", [True, False])
def test_values_and_gradients_are_the_models(shared, case, dtype):
    def make():
        first, second = layers.PReLU(shared=shared), layers.PReLU(shared=shared, slope_initializer=-0.5)
        return lamina.Sequential(first, layers.Dense(6), second, layers.Dense(3), layers.LastStep())

    check_model(make, dtype, **case)


def test_a_frozen_slope_gets_no_gradient():
    def make():
        model = lamina.Sequential(layers.Dense(6), layers.PReLU(), layers.Dense(3), layers.LastStep())
        model.layers[1].trainable = False
        return model

    check_model(make, "float64", ragged=True)
