"""Divide."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from lamina import Sequential
from lamina.layers import Dense, Divide


def test_the_quotient_and_its_gradients(defaults: Callable[[Any], dict[str, Any]]) -> None:
    assert defaults(Divide) == {"broadcast": False}
    layer = Divide()
    layer.build((None, 2), (None, 2), dtype="float64")
    y, saved = layer.forward(np.array([[2.0, 3.0]]), np.array([[4.0, -2.0]]))
    assert y.tolist() == [[0.5, -1.5]]
    da, db = layer.backward(np.array([[1.0, 10.0]]), saved)
    assert (da.tolist(), db.tolist()) == ([[0.25, -5]], [[-0.125, -7.5]])  # 1 / b, and -a / b^2


def test_nothing_is_divided_by_padding() -> None:
    # 0 / 0 in the padding of one row would make every weight below it nan, as 0 times nan is.
    layer, below = Divide(), Sequential(Dense(2))
    layer.build((None, None, 2), (None, None, 2), dtype="float64")
    below.build((None, None, 2), dtype="float64", seed=0)
    a, b, lengths = np.ones((2, 3, 2)), np.ones((2, 3, 2)), np.array([3, 1])
    a[1, 1:], b[1, 1:] = 0, 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        h, kept = below.forward(a, lengths=lengths)
        y, saved = layer.forward(h, b, lengths=(lengths, lengths))
        dh, db = layer.backward(np.ones_like(y), saved)
        below.backward(dh, kept)
    assert not y[1, 1:].any() and not db[1, 1:].any()
    assert np.isfinite(below.layers[0].w.grad).all()
    np.testing.assert_array_equal(below.layers[0].b.grad, [4, 4])  # as many valid steps
