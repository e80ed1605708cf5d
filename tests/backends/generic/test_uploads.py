"""On the host nothing is brought anywhere: rows are slices where they lie side by side, and nothing is copied."""

import numpy as np
import pytest

import lamina

X, Y = np.arange(20.0).reshape(10, 2), np.arange(10)


@pytest.mark.parametrize("name", ["numpy", "reference"])
def test_rows_are_those_of_the_arrays(name):
    backend = lamina.get_backend(name)
    order = np.array([3, 9, 0])
    (x, y), (some, labels) = backend.upload_rows((X, Y), [slice(2, 5), order])
    assert np.shares_memory(x, X)
    assert np.shares_memory(y, Y)
    np.testing.assert_array_equal(x, X[2:5])
    np.testing.assert_array_equal(some, X[order])
    np.testing.assert_array_equal(labels, Y[order])


@pytest.mark.parametrize("name", ["numpy", "reference"])
def test_nothing_is_kept_or_copied(name):
    backend = lamina.get_backend(name)
    assert backend.free_memory() == 0
    assert backend.upload(X) is X
    assert backend.constant(Y) is Y
    assert backend.constant(Y, "int64") is Y
    backend.note_constant(Y, X)
    assert backend.constant(Y) is Y
