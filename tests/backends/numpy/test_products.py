"""Products cut into pieces are the products, whatever the sizes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.backends.numpy import products as numpy_products
from lamina.backends.numpy.products import (
    _COLUMNS,
    _FEWEST_ROWS,
    add_product,
    column_pieces,
    in_blocks,
    in_pieces,
    prepared_product,
    row_blocks,
    rows_product,
    weight_pieces,
)


@pytest.fixture(autouse=True, scope="module", params=[1_000_000, 0], ids=["with AVX-512", "without"])
def small(request):
    """Cut products as on a processor with AVX-512, and as on one without."""
    patch = pytest.MonkeyPatch()
    patch.setattr(numpy_products, "_SMALL", request.param)
    column_pieces.cache_clear()
    row_blocks.cache_clear()
    yield request.param
    patch.undo()
    column_pieces.cache_clear()
    row_blocks.cache_clear()


def divisors(number, least, most):
    return [one for one in range(max(least, 1), most + 1) if number % one == 0]


def fits(small, rows, inner, width):
    """Tell whether rows, whole or cut into blocks of as many rows each, are few enough for a piece of this width."""
    most = small // (inner * width)
    return rows <= most or bool(divisors(rows, _FEWEST_ROWS, most))


@given(rows=st.integers(0, 300), inner=st.integers(1, 1500), columns=st.integers(1, 700))
def test_pieces_are_equal_and_small_enough_and_as_few_as_can_be(small, rows, inner, columns):
    pieces = column_pieces(rows, inner, columns)
    width = columns // pieces
    blocks = row_blocks(rows, inner, width)
    assert pieces * width == columns and (rows % blocks == 0 or blocks == 1)
    # Wider ones than need be, but not many times as narrow.
    least = -(-columns // _COLUMNS)
    possible = divisors(columns, least, 2 * least - 1)
    if pieces > 1:
        assert rows >= _FEWEST_ROWS
        assert pieces == possible[0] and width <= _COLUMNS
        assert rows // blocks * inner * width <= small
    elif rows >= _FEWEST_ROWS and possible:
        assert possible[0] == 1 or not fits(small, rows, inner, columns // possible[0])
    if blocks > 1:
        assert rows // blocks == divisors(rows, _FEWEST_ROWS, small // (inner * width))[-1]
    else:
        assert rows * inner * width <= small or not fits(small, rows, inner, width)


@pytest.mark.parametrize(
    "sizes, columns_are_cut, rows_are_cut",
    [
        pytest.param((_FEWEST_ROWS, _COLUMNS, _COLUMNS), False, False, id="small"),
        pytest.param((_FEWEST_ROWS, _COLUMNS, 4 * _COLUMNS), True, False, id="many columns"),
        pytest.param((1024 * _FEWEST_ROWS, _COLUMNS, _COLUMNS), False, True, id="many rows"),
        pytest.param((1024 * _FEWEST_ROWS, 4 * _COLUMNS, 4 * _COLUMNS), True, True, id="many of both"),
        pytest.param((_FEWEST_ROWS - 1, _COLUMNS, 4 * _COLUMNS), False, False, id="few rows"),
        pytest.param((8191, 4 * _COLUMNS, 4 * _COLUMNS), False, False, id="a prime number of rows"),
        pytest.param((31, 1000, 2 * _COLUMNS), False, False, id="a prime number of rows, a little too many"),
        pytest.param((_FEWEST_ROWS, _COLUMNS, 131), False, False, id="a prime number of columns"),
    ],
)
def test_what_is_cut(small, sizes, columns_are_cut, rows_are_cut):
    rows, inner, columns = sizes
    pieces = column_pieces(*sizes)
    blocks = row_blocks(rows, inner, columns // pieces)
    assert (pieces > 1, blocks > 1) == (columns_are_cut and small > 0, rows_are_cut and small > 0)


@pytest.mark.parametrize("rows, inner, columns", [(64, 6, 4 * _COLUMNS), (1024 * _FEWEST_ROWS, 64, 2 * _COLUMNS)])
def test_pieces_tile_the_whole(small, rows, inner, columns):
    weights = np.arange(inner * columns).reshape(inner, columns)
    cut = weight_pieces(weights, rows)
    assert cut.flags.c_contiguous
    np.testing.assert_array_equal(np.concatenate(list(cut[:, 0]), axis=1), weights)
    left, out = np.zeros((rows, inner)), np.zeros((rows, columns), int)
    blocks, places = in_blocks(left, cut), in_pieces(out, cut)
    assert np.shares_memory(blocks, left) and np.shares_memory(places, out)
    places += 1
    assert (out == 1).all()  # each element lies in one piece
    assert (cut.shape[0] > 1) is (small > 0)


@pytest.mark.parametrize("rows, fewer, units", [(64, 40, 128), (3, 2, 5), (40, 40, 192), (128, 96, 256)])
def test_a_step_in_pieces(rows, fewer, units):
    rng = np.random.default_rng(0)
    h, w = rng.standard_normal((fewer, units)), rng.standard_normal((4, units, units))
    weights = weight_pieces(w, rows)
    product = np.empty((4, fewer, units))
    np.matmul(in_blocks(h, weights), weights, out=in_pieces(product, weights))
    np.testing.assert_allclose(product, h @ w, atol=1e-12)
    each = rng.standard_normal((4, fewer, units))
    np.matmul(in_blocks(each, weights), weights, out=in_pieces(product, weights))
    np.testing.assert_allclose(product, each @ w, atol=1e-12)


@pytest.mark.parametrize("rows, fewer, units", [(64, 40, 128), (3, 2, 5), (128, 96, 256)])
def test_prepared(rows, fewer, units):
    rng = np.random.default_rng(0)
    left, w = rng.standard_normal((fewer, units)), rng.standard_normal((units, units))
    out = np.empty((fewer, units))
    product, weights, cut = prepared_product(w.T, rows)
    product(in_blocks(left, weights) if cut else left, weights, in_pieces(out, weights) if cut else out)
    np.testing.assert_allclose(out, left @ w.T, atol=1e-12)


@pytest.mark.parametrize("rows", [0, 5, 1000])
def test_rows_product(rows):
    rng = np.random.default_rng(0)
    left, right = rng.standard_normal((rows, 90)), rng.standard_normal((90, 70))
    out = np.full((rows, 70), np.nan)
    rows_product(left, right, out)
    np.testing.assert_allclose(out, left @ right, atol=1e-12)


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
    "extensions, expected",
    [
        ({"baseline": ["X86_V2"], "found": ["X86_V3", "X86_V4"]}, True),
        ({"baseline": ["SSE", "AVX2"], "found": ["AVX512F", "AVX512_SKX"]}, True),
        ({"baseline": ["X86_V2"], "found": ["X86_V3"], "not found": ["X86_V4"]}, False),
        ({"baseline": ["NEON"]}, False),
        ({}, False),
    ],
)
def test_the_processor_is_asked(monkeypatch, extensions, expected):
    monkeypatch.setattr(np, "show_config", lambda mode: {"SIMD Extensions": extensions})
    assert numpy_products._has_avx512() is expected
