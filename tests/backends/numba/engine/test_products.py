"""Products over packed weights, of every edge of a tile, against float64."""

import itertools

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import ctypes

from lamina.backends.numba.engine import functions, products

BOUNDS = {"float64": 1e-14, "float32": 4e-6}


def called(name, dtype):
    functions.products_ready(dtype)
    signature = getattr(products, name.upper())
    address = functions.address_of("products", f"{name}_{dtype}", signature)
    return ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * len(signature.args))(address)


def at(array):
    return array.__array_interface__["data"][0]


def multiply(a, b, c, add, first=0):
    """Add or write a @ b into c, b packed from a row on."""
    dtype = a.dtype.name
    k, n = b.shape
    height = first + k
    packed = np.full(products.packed_size(height, n, dtype) + products.COLUMNS[dtype], np.nan, dtype)
    called("pack", dtype)(
        k, n, at(b), b.strides[0] // b.itemsize, b.strides[1] // b.itemsize, at(packed), first, height
    )
    m = a.shape[0]
    called("product", dtype)(
        m, n, k, at(a), a.strides[0] // a.itemsize, a.strides[1] // a.itemsize, at(packed), first, height, at(c),
        c.strides[0] // c.itemsize, add,
    )  # fmt: skip


@pytest.mark.parametrize("dtype", BOUNDS)
def test_every_edge_of_a_tile(dtype):
    rng = np.random.default_rng(0)
    wide = products.COLUMNS[dtype]
    columns = [1, 2, wide - 1, wide, wide + 1, 4 * wide, 4 * wide + 3, 7 * wide]
    for m, n, k in itertools.product([*range(1, 14), 24, 25], columns, [1, 2, 319, 321, 700]):
        a, b, c = (rng.normal(size=shape).astype(dtype) for shape in ((m, k), (k, n), (m, n)))
        for add in (0, 1):
            found = c.copy()
            multiply(a, b, found, add)
            expected = a.astype(np.float64) @ b + (c if add else 0)
            assert np.abs(found - expected).max() < BOUNDS[dtype] * np.sqrt(k), (m, n, k, add)


@pytest.mark.parametrize("dtype", BOUNDS)
def test_operands_of_any_strides_and_rows_that_others_lie_between(dtype):
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(9, 31)).astype(dtype), rng.normal(size=(9, 45)).astype(dtype)
    whole = np.full((31, 60), 7, dtype)
    multiply(a.T, b, whole[:, :45], 0)
    assert np.abs(whole[:, :45] - a.astype(np.float64).T @ b).max() < 10 * BOUNDS[dtype]
    assert (whole[:, 45:] == 7).all()
    c = np.zeros((5, 31), dtype)
    multiply(b[:5, :9], a, c, 0, first=4)
    assert np.abs(c - b[:5, :9].astype(np.float64) @ a).max() < 10 * BOUNDS[dtype]


@pytest.mark.parametrize("dtype", BOUNDS)
def test_what_is_not_finite_stays_in_its_row(dtype):
    a, b = np.ones((7, 3), dtype), np.ones((3, 5), dtype)
    a[2, 1] = np.nan
    c = np.zeros((7, 5), dtype)
    multiply(a, b, c, 0)
    assert np.isnan(c[2]).all()
    assert (np.delete(c, 2, 0) == 3).all()


@pytest.mark.parametrize("dtype", BOUNDS)
def test_a_product_of_one_row_reads_what_was_packed_for_it(dtype):
    """Of every number of columns around those that lie side by side, either way round, with the same bits."""
    rng = np.random.default_rng(2)
    wide = products.COLUMNS[dtype]
    for n, k in itertools.product(
        [1, wide, 4 * wide - 1, 4 * wide, 4 * wide + 1, 9 * wide, 13 * wide + 5], [1, 7, 330]
    ):
        a, b, c = (rng.normal(size=shape).astype(dtype) for shape in ((k,), (k, n + 3), (n + 2,)))
        packed = np.full(products.packed_size(k, n, dtype) + 1, np.nan, dtype)
        called("pack_row", dtype)(k, n, at(b), n + 3, at(packed))
        assert np.isfinite(packed[:-1]).all() and np.isnan(packed[-1])  # all of it, and no more
        found = [c.copy(), c.copy()]
        for backwards in (0, 1):
            called("row", dtype)(n, k, at(a), at(packed), at(found[backwards]), backwards)
        np.testing.assert_array_equal(*found)
        assert (found[0][n:] == c[n:]).all()
        expected = c[:n] + a.astype(np.float64) @ b[:, :n]
        assert np.abs(found[0][:n] - expected).max() < BOUNDS[dtype] * np.sqrt(k), (n, k)
