"""Products cut into pieces are the products, whatever the sizes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.backends.numpy_products import (
    add_product,
    column_pieces,
    in_pieces,
    prepared_product,
    rows_product,
    weight_pieces,
)


@given(rows=st.integers(0, 300), inner=st.integers(1, 700), columns=st.integers(1, 700))
def test_pieces_are_equal_and_small_enough(rows, inner, columns):
    pieces = column_pieces(rows, inner, columns)
    assert columns % pieces == 0
    assert pieces == 1 or rows * inner * (columns // pieces) <= 1_000_000
    assert pieces == 1 or 16 <= columns // pieces <= 64


@pytest.mark.parametrize(
    "sizes, pieces",
    [((32, 64, 64), 1), ((64, 128, 128), 2), ((128, 128, 128), 4), ((16, 128, 128), 2), ((128, 512, 512), 1)],
)
def test_known_pieces(sizes, pieces):
    assert column_pieces(*sizes) == pieces


@pytest.mark.parametrize("rows, units", [(64, 128), (3, 5), (40, 192)])
def test_a_step_in_pieces(rows, units):
    rng = np.random.default_rng(0)
    h, w = rng.standard_normal((rows, units)), rng.standard_normal((4, units, units))
    pieces = column_pieces(rows, units, units)
    product = np.empty((4, rows, units))
    np.matmul(h, weight_pieces(w, pieces), out=in_pieces(product, pieces))
    np.testing.assert_allclose(product, h @ w, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(rows=st.integers(0, 600), inner=st.integers(1, 120), columns=st.integers(1, 80), gates=st.integers(1, 4))
def test_add_product(rows, inner, columns, gates):
    rng = np.random.default_rng(0)
    left, right = rng.standard_normal((rows, inner)), rng.standard_normal((gates, rows, columns))
    total = rng.standard_normal((gates, inner, columns))
    expected = total + left.T @ right
    add_product(total, left, right, np.full_like(total, np.nan))
    np.testing.assert_allclose(total, expected, atol=1e-11)


@pytest.mark.parametrize(
    ("rows", "inner", "columns"), [(2, 3, 4), (64, 128, 128), (300, 64, 64), (0, 3, 4), (1, 300, 64)]
)
@pytest.mark.parametrize("transposed", [False, True])
def test_a_prepared_product_writes_where_it_was_told_to(rows: int, inner: int, columns: int, transposed: bool) -> None:
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((columns, inner)).T if transposed else rng.standard_normal((inner, columns))
    out = np.empty((rows, columns))
    function, prepared, view = prepared_product(weights, out)
    for _ in range(2):
        left = rng.standard_normal((rows, inner))
        function(left, prepared, view)
        np.testing.assert_allclose(out, left @ weights, rtol=1e-12, atol=1e-12)
    fewer = rows // 2
    function(left[:fewer] * 2, prepared, view[..., :fewer, :])
    np.testing.assert_allclose(out[:fewer], 2 * left[:fewer] @ weights, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("rows", "inner", "columns"), [(5, 3, 4), (700, 64, 128), (701, 64, 128), (40, 1000, 200), (0, 3, 4)]
)
def test_a_product_of_many_rows_is_the_product(rows: int, inner: int, columns: int) -> None:
    rng = np.random.default_rng(0)
    left, right, out = (
        rng.standard_normal((rows, inner)),
        rng.standard_normal((inner, columns)),
        np.empty((rows, columns)),
    )
    rows_product(left, right, out)
    np.testing.assert_allclose(out, left @ right, rtol=1e-12, atol=1e-12)
