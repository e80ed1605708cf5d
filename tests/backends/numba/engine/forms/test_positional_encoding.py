"""PositionalEncoding in models."""

import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import lamina
from lamina import layers
from tests.backends.numba.engine.programs import CASES, DTYPES, check_model


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_and_gradients_are_the_models(case, dtype):
    def make():
        return lamina.Sequential(
            *(layers.PositionalEncoding(), layers.Dense(5), layers.PositionalEncoding()),
            *(layers.Dense(3), layers.GlobalAveragePool1D()),
        )

    check_model(make, dtype, **case)
