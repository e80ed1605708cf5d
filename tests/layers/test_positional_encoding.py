"""PositionalEncoding; the sinusoids are proven in backends/test_attention."""

import math

import numpy as np
import pytest

from lamina.errors import ShapeError
from lamina.layers import PositionalEncoding


@pytest.mark.parametrize("backend", ["numpy", "reference"])
def test_by_hand(backend: str) -> None:
    layer = PositionalEncoding()
    assert layer.build((None, None, 3), dtype="float64", backend=backend) == (None, None, 3)
    y = layer(np.ones((1, 2, 3)))
    slow = 10000 ** (-2 / 3)
    np.testing.assert_allclose(y[0], [[1, 2, 1], [1 + math.sin(1), 1 + math.cos(1), 1 + math.sin(slow)]], rtol=1e-14)


def test_rows_of_any_length_begin_at_the_same_position() -> None:
    layer = PositionalEncoding()
    layer.build((None, None, 4), dtype="float64")
    assert (layer(np.zeros((1, 9, 4)))[:, :3] == layer(np.zeros((1, 3, 4)))).all()
    lengths = np.array([2])
    assert layer.output_lengths(lengths) is lengths
    assert not layer.parameters()


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"^PositionalEncoding: expected \(batch, time, features\), got \(batch, 3\)$"):
        PositionalEncoding().build((None, 3))
    with pytest.raises(
        ShapeError, match=r"^PositionalEncoding: expected a fixed size of axis 2, got \(batch, time, \?"
    ):
        PositionalEncoding().build((None, None, None))
