"""What forms share: sums over rows, and products that are added in pieces."""

import numpy as np
import pytest

numba = pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

from lamina.backends.numba.engine import functions  # noqa: E402
from lamina.backends.numba.engine.algebra import (  # noqa: E402
    CHUNK,
    add_columns,
    add_product,
    add_row,
    add_to,
    clear,
    copy,
    size_of,
)
from lamina.backends.numba.engine.memory import OPTIONS  # noqa: E402
from lamina.backends.numba.engine.products import packed_size  # noqa: E402

DTYPES = ["float32", "float64"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 5])
def test_the_gradient_of_weights_is_added_whatever_the_number_of_rows(dtype, rows):
    functions.products_ready(dtype)
    kind, rng = getattr(np, dtype), np.random.default_rng(0)

    @numba.njit(**OPTIONS)
    def run(rows, m, n, a, b, c, packed):
        add_product(rows, m, n, a, m, b, n, c, n, packed, kind)

    m, n = 7, 45
    a, b, c = (rng.normal(size=shape).astype(dtype) for shape in ((rows, m), (rows, n), (m, n)))
    packed = np.zeros(packed_size(CHUNK, n, dtype), dtype)
    expected = c + a.astype(np.float64).T @ b
    run(rows, m, n, a.ctypes.data, b.ctypes.data, c.ctypes.data, packed.ctypes.data)
    np.testing.assert_allclose(c, expected, atol=1e-4 if dtype == "float32" else 1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_and_columns(dtype):
    kind = getattr(np, dtype)

    @numba.njit(**OPTIONS)
    def run(x, row, total, first, second):
        add_row(4, 5, row, x)
        add_columns(4, 5, 3, x, total)
        copy(5, first, second, kind)
        add_to(5, first, second, kind)
        clear(2, second, kind)
        return size_of(kind)

    x, row = np.arange(20, dtype=dtype), np.arange(5, dtype=dtype) * 10
    total, first, second = np.ones(3, dtype), np.arange(5, dtype=dtype), np.zeros(5, dtype)
    expected = np.arange(20).reshape(4, 5) + np.arange(5) * 10
    assert run(x, row, total, first.ctypes.data, second.ctypes.data) == np.dtype(dtype).itemsize
    np.testing.assert_array_equal(x.reshape(4, 5), expected)
    np.testing.assert_array_equal(total, 1 + expected.sum(0)[:3])
    np.testing.assert_array_equal(second, [0, 0, 4, 6, 8])
