"""Standardize in models."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import lamina
from lamina import layers
from tests.backends.numba.engine.programs import CASES, DTYPES, check_model


def make(first):
    layer = layers.Standardize()
    layer.adapt(np.random.default_rng(0).normal(3, 2, size=(20, 4 if first else 5)))
    rest = (layers.Dense(3), layers.LastStep())
    return lamina.Sequential(layer, *rest) if first else lamina.Sequential(layers.Dense(5), layer, *rest)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("first", [True, False])
def test_values_and_gradients_are_the_models(first, case, dtype):
    check_model(lambda: make(first), dtype, **case)
