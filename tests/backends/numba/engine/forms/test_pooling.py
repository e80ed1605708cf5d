"""One step of a row, its steps' mean and maximum, in models."""

import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import lamina
from lamina import layers
from tests.backends.numba.engine.programs import CASES, DTYPES, check_model

POOLS = {
    "last": layers.LastStep,
    "mean": layers.GlobalAveragePool1D,
    "most": layers.GlobalMaxPool1D,
    "first": lambda: layers.Select(0),
    "third": lambda: layers.Select(2),
    "third from the end": lambda: layers.Select(-3),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", [one for one in CASES if "steps" not in one], ids=str)
@pytest.mark.parametrize("pool", POOLS)
def test_pooling_is_the_models(pool, case, dtype):
    check_model(lambda: lamina.Sequential(layers.Dense(5), POOLS[pool](), layers.Dense(3)), dtype, **case)


def test_of_equal_maxima_the_first_gets_the_gradient():
    check_model(
        lambda: lamina.Sequential(layers.Dense(3, use_bias=False), layers.ReLU(), layers.GlobalMaxPool1D()), "float64"
    )


def test_a_row_of_one_step_and_empty_rows_are_pooled():
    check_model(lambda: lamina.Sequential(layers.Dense(3), layers.GlobalMaxPool1D()), "float64", ragged=True, steps=1)
