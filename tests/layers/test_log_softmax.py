"""LogSoftmax."""

from typing import Any

import numpy as np

from lamina.layers import LogSoftmax


def test_values_and_slopes_by_hand() -> None:
    layer = LogSoftmax()
    layer.build((None, 2), dtype="float64")
    y, saved = layer.forward(np.log([[1.0, 3.0], [7.0, 7.0]]))
    np.testing.assert_allclose(np.exp(y), [[1 / 4, 3 / 4], [1 / 2, 1 / 2]], rtol=1e-15)
    dx = layer.backward(np.array([[16.0, 0.0], [0.0, 4.0]]), saved)
    np.testing.assert_allclose(dx, [[12, -12], [-2, 2]], rtol=1e-14)


def test_it_is_taken_over_the_last_axis_of_a_sequence() -> None:
    layer = LogSoftmax()
    layer.build((None, None, 4), dtype="float64")
    np.testing.assert_allclose(layer(np.zeros((2, 3, 4))), np.full((2, 3, 4), -np.log(4)), rtol=1e-15)


def test_over_the_time_only_valid_steps_count() -> None:
    layer = LogSoftmax(axis=1)
    layer.build((None, None, 1), dtype="float64")
    x = np.log([[[1.0], [3.0], [9.0]], [[1.0], [1.0], [2.0]], [[5.0], [5.0], [5.0]]])
    y, saved = layer.forward(x, lengths=np.array([2, 3, 0]))
    # Past the end 0, which is no logarithm of a probability there.
    np.testing.assert_allclose(np.exp(y[..., 0]), [[1 / 4, 3 / 4, 1], [1 / 4, 1 / 4, 1 / 2], [1, 1, 1]], rtol=1e-14)
    dy = np.array([[[16.0], [0.0], [5.0]], [[0.0], [0.0], [0.0]], [[1.0], [2.0], [3.0]]])
    np.testing.assert_allclose(layer.backward(dy, saved)[..., 0], [[12, -12, 0], [0] * 3, [0] * 3], rtol=1e-14)


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(LogSoftmax) == {"axis": -1}
