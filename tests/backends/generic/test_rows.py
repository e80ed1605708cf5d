"""Rows by index: the generic operations, NumPy's, and those that CuPy runs, against a plain loop."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lamina
from lamina.backends.generic.rows import IndexedRows
from lamina.testing import register_strict_backend


class Indexed(IndexedRows):
    name, xp, array_type = "indexed", np, np.ndarray


register_strict_backend()
BACKENDS = [Indexed(), *map(lamina.get_backend, ("numpy", "reference", "array-api-strict"))]


@pytest.mark.parametrize("backend", BACKENDS, ids=[backend.name for backend in BACKENDS])
@given(ids=st.lists(st.integers(0, 6), max_size=12), seed=st.integers(0, 99))
def test_sum_take_put(backend, ids, seed):
    rng = np.random.default_rng(seed)
    start, rows = rng.standard_normal((7, 3)), rng.standard_normal((len(ids), 3))
    table, index = backend.asarray(start.copy()), backend.asarray(np.array(ids, dtype=np.int64))
    unique, sums = backend.sum_rows(index, backend.asarray(rows))
    expected = np.zeros((7, 3))
    for row, gradient in zip(ids, rows, strict=True):
        expected[row] += gradient
    named = backend.to_numpy(unique)
    assert sorted(named.tolist()) == sorted(set(ids))
    np.testing.assert_allclose(backend.to_numpy(sums), expected[named], atol=1e-14)

    np.testing.assert_array_equal(backend.to_numpy(backend.take_rows(table, unique)), start[named])
    backend.put_rows(table, unique, sums)
    start[named] = expected[named]
    np.testing.assert_allclose(backend.to_numpy(table), start, atol=1e-14)


@pytest.mark.parametrize("backend", BACKENDS, ids=[backend.name for backend in BACKENDS])
def test_take_keeps_the_shape_of_the_ids(backend):
    table = backend.asarray(np.arange(12.0).reshape(4, 3))
    taken = backend.take_rows(table, backend.asarray(np.array([[3, 0], [1, 1]])))
    assert backend.to_numpy(taken).tolist() == [[[9, 10, 11], [0, 1, 2]], [[3, 4, 5], [3, 4, 5]]]
