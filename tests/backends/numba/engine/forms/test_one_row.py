"""Inference over few rows: over few steps weights are read where they lie, over many packed; NumPy's is the oracle."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import lamina
from lamina.layers import GRU, LSTM, Dense, SimpleRNN

CELLS = {
    "SimpleRNN": SimpleRNN,
    "SimpleRNN relu": lambda units, **options: SimpleRNN(units, activation="relu", **options),
    "LSTM": LSTM,
    "projected LSTM": lambda units, **options: LSTM(units, projection=max(units // 2, 1), **options),
    "GRU": GRU,
    "GRU, reset first": lambda units, **options: GRU(units, reset_after=False, **options),
    "sLSTM": lambda units, **options: lamina.layers.SLSTM(units, **options),
}
BOUNDS = {"float64": 1e-12, "float32": 2e-5}
FEATURES = 5


def pair(cell, units, dtype, **options):
    """Return a model on NumPy and the same on Numba."""
    models = []
    for backend in ("numpy", "numba"):
        model = lamina.Sequential(CELLS[cell](units, **options), Dense(3))
        model.build((None, None, FEATURES), seed=0, dtype=dtype, backend=backend)
        models.append(model)
    return models


@pytest.mark.parametrize("dtype", BOUNDS)
@pytest.mark.parametrize("cell", CELLS)
def test_steps_on_both_sides_of_where_weights_are_packed(cell, dtype):
    rng = np.random.default_rng(0)
    for units in (1, 3, 16, 21, 33, 70):
        numpy, numba = pair(cell, units, dtype)
        stream = lamina.Stream(numba)
        for rows, steps in ((1, 1), (1, 15), (1, 16), (2, 7), (2, 8), (1, 41), (2, 30), (3, 30)):
            x = rng.normal(size=(rows, steps, FEATURES)).astype(dtype)
            expected, _ = numpy.forward(x)
            np.testing.assert_allclose(numba.forward(x)[0], expected, atol=BOUNDS[dtype], err_msg=f"{units} {x.shape}")
            stream.reset()
            np.testing.assert_allclose(stream(x), expected, atol=BOUNDS[dtype], err_msg=f"{units} {x.shape}, a stream")


@pytest.mark.parametrize("cell", CELLS)
def test_rows_of_their_own_lengths_all_steps_and_the_other_direction(cell):
    rng = np.random.default_rng(1)
    for reverse in (False, True):
        numpy, numba = pair(cell, 19, "float64", return_sequences=True, go_backwards=reverse)
        x = rng.normal(size=(2, 30, FEATURES))
        for lengths in (None, [30, 11], [4, 30], [0, 17], [3, 2]):
            expected, found = (model.forward(x, lengths=lengths)[0] for model in (numpy, numba))
            np.testing.assert_allclose(found, expected, atol=1e-12, err_msg=f"{reverse} {lengths}")


@pytest.mark.parametrize("cell", CELLS)
def test_weights_that_changed_since_are_those_of_the_next_call(cell):
    numpy, numba = pair(cell, 19, "float64")
    x = np.random.default_rng(2).normal(size=(1, 30, FEATURES))
    stream = lamina.Stream(numba)
    stream(x)
    for model in (numpy, numba):
        for parameter in model.parameters():
            parameter.data[...] *= 0.5
    stream.reset()
    np.testing.assert_allclose(stream(x), numpy.forward(x)[0], atol=1e-12)
