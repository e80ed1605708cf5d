"""Which axes are meant, and whether the time is one of them."""

from typing import Any

import numpy as np
import pytest

import lamina
from lamina.errors import ArgumentError, ShapeError, StreamError
from lamina.kinds.axes import AxisLayer, read_axes
from lamina.layers import LayerNorm
from lamina.testing import check_layer


@pytest.mark.parametrize(
    ("axis", "found"), [(1, 1), (-1, -1), (np.int64(2), 2), ((2,), 2), ([1, 2], (1, 2)), ((-1, 1), (-1, 1))]
)
def test_axes_are_read(axis: Any, found: Any) -> None:
    assert read_axes("Part", axis) == found


@pytest.mark.parametrize("axis", [0, False, True, 1.0, "1", None, (), (0, 1), (1, 1), (1, "2")])
def test_what_is_no_axis_is_refused(axis: Any) -> None:
    with pytest.raises(ArgumentError, match="expected axis to be an axis, or several, each once, and not 0, the batch"):
        read_axes("Part", axis)
    with pytest.raises(ArgumentError, match="expected axis to be an axis, and not 0, the batch"):
        read_axes("Part", (1, 2), several=False)


class Demean(AxisLayer):
    """y = x - mean over the axes, with no regard to lengths."""

    def __init__(self, axis: Any) -> None:
        self.axis = read_axes(self, axis)

    def forward(self, x: Any) -> tuple[Any, Any]:
        return x - x.mean(axis=self.axes_of(x.shape), keepdims=True), None

    def backward(self, dy: Any, saved: Any) -> Any:
        return dy - dy.mean(axis=self.axes_of(dy.shape), keepdims=True)


@pytest.mark.parametrize(
    ("axis", "shape", "found"),
    [(-1, (None, 3), (1,)), (-1, (None, None, 3), (2,)), ((-1, 1), (None, None, 3), (1, 2)), (2, (5, 4, 3, 2), (2,))],
)
def test_they_are_counted_from_the_first(axis: Any, shape: Any, found: Any) -> None:
    assert Demean(axis).axes_of(shape) == found


@pytest.mark.parametrize(("axis", "named"), [(3, "axis 3"), (-3, "axis -3"), ((1, -2), r"axes \(1, -2\)")])
def test_a_shape_without_them_is_refused(axis: Any, named: str) -> None:
    with pytest.raises(ShapeError, match=rf"^Demean: expected an input with {named}, and not the batch's, got \(batch"):
        Demean(axis).build((None, None, 3))


@pytest.mark.parametrize("axis", [1, 2, (1, 2), -1])
def test_a_layer_of_ones_own_is_proven(axis: Any) -> None:
    check_layer(Demean(axis), (5, 4, 3), lengths=False)


def test_it_streams_where_no_axis_is_the_time() -> None:
    for axis in (-1, 2):
        layer = Demean(axis)
        layer.build((None, None, 3), dtype="float64")
        assert lamina.Stream(layer)(np.ones((1, 2, 3))).tolist() == np.zeros((1, 2, 3)).tolist()
    layer = Demean((1, 2))
    layer.build((None, None, 3))
    with pytest.raises(StreamError, match=r"together, by axis=\(1, 2\)$"):
        lamina.Stream(layer)


def test_a_subclass_whose_forward_takes_lengths_is_held_to_them() -> None:
    """LayerNorm itself need not heed them over the last axis; who takes them anew does."""

    class Masked(LayerNorm):
        def forward(self, x: Any, lengths: Any = None) -> Any:
            return super().forward(x)

    assert not LayerNorm()._heeds_lengths()
    assert LayerNorm(axis=1)._heeds_lengths()
    with pytest.raises(lamina.testing.LayerCheckError, match="padding"):
        check_layer(Masked(), (5, 4, 3))
