"""Data as one batch, and names."""

import numpy as np
import pytest

from lamina import Sequential
from lamina.errors import NotBuiltError, ShapeError
from lamina.inspect.batch import as_batch, free_name, name_of, unknown_layer
from lamina.layers import Dense
from lamina.losses import MeanSquaredError


def test_data_come_as_one_checked_batch() -> None:
    model = Sequential(Dense(2))
    with pytest.raises(NotBuiltError):
        as_batch(model, np.ones((3, 4)))
    model.build((None, None, 4), seed=0)
    batch = as_batch(model, [np.ones((2, 4)), np.ones((3, 4))])
    assert batch.inputs[0].shape == (2, 3, 4)
    assert batch.inputs[0].dtype == "float32"
    assert batch.options["lengths"].tolist() == [2, 3]
    assert batch.target is None
    batch = as_batch(model, np.ones((300, 3, 4)), np.ones((300, 3, 2)), loss=MeanSquaredError())
    assert (batch.rows, batch.target.shape) == (300, (300, 3, 2))
    with pytest.raises(ShapeError):
        as_batch(model, np.ones((3, 3, 5)))


def test_names() -> None:
    layer = Dense(2)
    assert name_of(layer) == "Dense"
    Sequential(Sequential(layer)).build((None, 3))
    assert name_of(layer) == "0.0"
    assert free_name(layer, {}) == "0.0"
    assert free_name(layer, {"0.0", "0.0 (call 2)"}) == "0.0 (call 3)"
    assert str(unknown_layer("a.1", ["a.0"])) == "unknown layer 'a.1': did you mean 'a.0'? Known: a.0"
