"""Permute."""

import numpy as np
import pytest

from lamina.errors import ArgumentError, ShapeError
from lamina.layers import Permute


def test_axes_change_places_and_come_back() -> None:
    layer = Permute([3, 1, 2])
    assert layer.build((None, 2, 3, 4), dtype="float64") == (None, 4, 2, 3)
    x = np.arange(48.0).reshape(2, 2, 3, 4)
    y, saved = layer.forward(x)
    assert y.tolist() == x.transpose(0, 3, 1, 2).tolist()
    assert layer.backward(y, saved).tolist() == x.tolist()
    assert repr(layer) == "Permute((3, 1, 2))"


def test_lengths_are_kept_where_the_time_axis_stays() -> None:
    lengths = np.array([1, 2])
    assert Permute((1, 3, 2)).output_lengths(lengths) is lengths
    assert Permute((2, 1)).output_lengths(lengths) is None


@pytest.mark.parametrize("axes", [(), (0, 1), (1, 3), (1, 1), 2, (2, 1.5), (1, "b")])
def test_axes_that_are_no_order_are_refused(axes) -> None:
    with pytest.raises(ArgumentError) as caught:
        Permute(axes)
    expected = "Permute: expected the axes from 1 on in some order, such as (2, 1), got "
    assert str(caught.value) == f"{expected}{axes!r}"


def test_another_rank_is_refused() -> None:
    with pytest.raises(ShapeError) as caught:
        Permute((2, 1)).build((None, 3))
    assert str(caught.value) == "Permute: expected 3 axes, got (batch, 3)"


def test_it_streams_without_a_state() -> None:
    layer = Permute((1, 3, 2))
    layer.build((None, 2, 3, 4))
    assert layer.stream_state(2) == ()
