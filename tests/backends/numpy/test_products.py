"""Products cut into pieces are the products, whatever the sizes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.backends.numpy import products as numpy_products
from lamina.backends.numpy.products import (
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


@given(rows=st.integers(0, 300), inner=st.integers(1, 1500), columns=st.integers(1, 700))
def test_pieces_are_equal_and_small_enough(rows, inner, columns):
    pieces = column_pieces(rows, inner, columns)
    blocks = row_blocks(rows, inner, columns // pieces)
    assert columns % pieces == 0 and rows % blocks == 0
    if pieces > 1:
        assert rows // blocks * inner * (columns // pieces) <= 1_000_000
        assert 16 <= columns // pieces <= 64 and rows // blocks >= 8


@pytest.mark.parametrize(
    "sizes, pieces, blocks",
    [
        ((32, 64, 64), 1, 1),
        ((64, 128, 128), 2, 1),
        ((128, 128, 128), 2, 2),
        ((16, 128, 128), 2, 1),
        ((128, 512, 512), 8, 8),
        ((1, 256, 256), 1, 1),
        ((127, 512, 512), 1, 1),  # a prime number of rows
    ],
)
def test_known_pieces(small, sizes, pieces, blocks):
    rows, inner, columns = sizes
    if not small:
        pieces = blocks = 1
    assert column_pieces(*sizes) == pieces
    assert row_blocks(rows, inner, columns // pieces) == blocks


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
