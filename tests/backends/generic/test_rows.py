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
    table = backend.asarray(start.copy())
    named, sums = backend.sum_rows(np.array(ids, dtype=np.int64), backend.asarray(rows))
    unique = backend.asarray(named)
    expected = np.zeros((7, 3))
    for row, gradient in zip(ids, rows, strict=True):
        expected[row] += gradient
    assert named.tolist() == sorted(set(ids))
    np.testing.assert_allclose(backend.to_numpy(sums), expected[named], atol=1e-14)

    np.testing.assert_array_equal(backend.to_numpy(backend.take_rows(table, unique)), start[named])
    backend.put_rows(table, unique, sums)
    start[named] = expected[named]
    np.testing.assert_allclose(backend.to_numpy(table), start, atol=1e-14)


@pytest.mark.parametrize("backend", BACKENDS, ids=[backend.name for backend in BACKENDS])
@pytest.mark.parametrize("ids", [[4, 0], []], ids=["some", "none"])
def test_rows_are_changed_in_place(backend, ids):
    start, more = np.arange(15.0).reshape(5, 3), np.arange(3.0 * len(ids)).reshape(-1, 3)
    table, named = backend.asarray(start.copy()), backend.constant(np.array(ids, "int64"))
    backend.add_rows(table, named, backend.asarray(more))
    start[ids] += more
    np.testing.assert_array_equal(backend.to_numpy(table), start)
    backend.scale_rows(table, named, 0.5)
    start[ids] *= 0.5
    np.testing.assert_array_equal(backend.to_numpy(table), start)
    backend.zero_rows(table, named)
    start[ids] = 0
    np.testing.assert_array_equal(backend.to_numpy(table), start)


@pytest.mark.parametrize("backend", BACKENDS, ids=[backend.name for backend in BACKENDS])
def test_take_keeps_the_shape_of_the_ids(backend):
    table = backend.asarray(np.arange(12.0).reshape(4, 3))
    taken = backend.take_rows(table, backend.asarray(np.array([[3, 0], [1, 1]])))
    assert backend.to_numpy(taken).tolist() == [[[9, 10, 11], [0, 1, 2]], [[3, 4, 5], [3, 4, 5]]]


@pytest.mark.parametrize("backend", BACKENDS, ids=[backend.name for backend in BACKENDS])
@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
def test_what_is_not_finite_stays_in_its_own_row(backend, bad):
    """No product with 0 may carry it into the other rows."""
    ids = np.array([3, 1, 3, 0], dtype=np.int64)
    rows = np.arange(8.0).reshape(4, 2)
    rows[2, 1] = bad
    unique, sums = backend.sum_rows(ids, backend.asarray(rows))
    found = dict(zip(unique.tolist(), backend.to_numpy(sums).tolist(), strict=True))
    np.testing.assert_array_equal([found[0], found[1], found[3]], [[6, 7], [2, 3], [4, bad]])
    table = backend.asarray(np.zeros((5, 2)))
    backend.put_rows(table, backend.asarray(unique), sums)
    np.testing.assert_array_equal(backend.to_numpy(table), [[6, 7], [2, 3], [0, 0], [4, bad], [0, 0]])
    both = backend.asarray(np.array([[np.inf, np.inf], [-np.inf, np.inf]]))
    _, sums = backend.sum_rows(np.array([2, 2]), both)
    np.testing.assert_array_equal(backend.to_numpy(sums), [[np.nan, np.inf]])


@pytest.mark.parametrize("backend", BACKENDS, ids=[backend.name for backend in BACKENDS])
def test_rows_that_are_not_zero(backend):
    table = backend.asarray(np.array([[0.0, 0], [0, 1], [0, 0], [np.nan, 0], [-np.inf, 2]]))
    assert sorted(backend.to_numpy(backend.nonzero_rows(table)).tolist()) == [1, 3, 4]


@pytest.mark.parametrize("backend", BACKENDS, ids=[backend.name for backend in BACKENDS])
@given(
    counts=st.lists(st.integers(0, 9), min_size=1, max_size=6),
    more=st.integers(0, 3),
    seed=st.integers(0, 99),
)
def test_rows_are_summed_from_their_places(backend, counts, more, seed):
    rng = np.random.default_rng(seed)
    ids = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    rows = rng.integers(-99, 99, (len(ids) + more, 2)).astype(float)
    places = rng.permutation(len(rows))[: len(ids)]
    unique, sums = backend.sum_rows(ids, backend.asarray(rows), places)
    expected = [rows[places[ids == one]].sum(axis=0).tolist() for one in unique.tolist()]
    assert unique.tolist() == [one for one, count in enumerate(counts) if count]
    assert backend.to_numpy(sums).tolist() == expected


@pytest.mark.parametrize("backend", BACKENDS, ids=[backend.name for backend in BACKENDS])
@pytest.mark.parametrize("count", [1, 2, 7, 64, 1000])
def test_many_rows_of_an_id_lose_no_precision(backend, count):
    rows = np.random.default_rng(0).standard_normal((3 * count, 2)).astype("float32") + 100
    _, sums = backend.sum_rows(np.tile([0, 1, 2], count), backend.asarray(rows))
    exact = rows.astype("float64").reshape(count, 3, 2).sum(axis=0)
    np.testing.assert_allclose(backend.to_numpy(sums), exact, rtol=1e-5)
