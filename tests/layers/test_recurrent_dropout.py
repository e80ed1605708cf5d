"""RecurrentDropout."""

import numpy as np
import pytest

from lamina.errors import ArgumentError, ShapeError
from lamina.layers import RecurrentDropout


def test_all_steps_of_a_row_have_one_mask_and_rows_have_their_own() -> None:
    layer = RecurrentDropout(0.5)
    assert layer.build((None, None, 200), dtype="float64", seed=0) == (None, None, 200)
    y, saved = layer.forward(np.ones((3, 5, 200)))
    assert set(y.ravel().tolist()) == {0, 2}
    assert (y == y[:, :1]).all()
    assert not (y[0, 0] == y[1, 0]).all()
    assert not (y == layer.forward(np.ones((3, 5, 200)))[0]).all()
    assert layer.backward(np.ones((3, 5, 200)), saved).tolist() == y.tolist()
    assert abs((y[:, 0] == 0).mean() - 0.5) < 0.1


def test_more_padding_changes_no_mask() -> None:
    masks = []
    for time in (2, 7):
        layer = RecurrentDropout(0.5)
        layer.build((None, None, 20), dtype="float64", seed=0)
        masks.append(layer.forward(np.ones((3, time, 20)))[0][:, :2].tolist())
    assert masks[0] == masks[1]


def test_inference_is_the_identity() -> None:
    layer = RecurrentDropout(0.5)
    layer.build((None, None, 2), dtype="float64")
    assert layer([[[1.0, 2.0]]], lengths=[1]).tolist() == [[[1, 2]]]
    assert repr(layer) == "RecurrentDropout(0.5)"


def test_what_is_no_sequence_is_refused() -> None:
    with pytest.raises(ShapeError) as caught:
        RecurrentDropout(0.5).build((None, 2))
    assert str(caught.value) == "RecurrentDropout: expected (batch, time, features), got (batch, 2)"
    with pytest.raises(ArgumentError) as caught:
        RecurrentDropout(1)
    assert str(caught.value) == "RecurrentDropout: expected rate to be a number of at least 0 and below 1, got 1"
