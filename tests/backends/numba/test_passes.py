"""How arrays are handed to compiled passes, and how a pass is cut into blocks."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import lamina
from lamina.backends.numba.passes import address, ends, strided
from tests.backends.numba.against import on_threads


def test_rows_are_read_where_they_lie():
    array = np.arange(24.0).reshape(2, 3, 4)
    for one, outer, inner in ((array, 12, 4), (array.swapaxes(0, 1), 4, 12), (array[:, ::2], 12, 8)):
        rows = strided(one)
        assert rows.array is one
        assert (rows.at, rows.outer, rows.inner) == (address(one), outer, inner)


def test_features_with_gaps_are_copied():
    array = np.arange(24.0).reshape(2, 3, 4)
    for one in (array[..., ::2], array.swapaxes(1, 2), array[..., ::-1]):
        rows = strided(one)
        assert rows.array.flags.c_contiguous
        np.testing.assert_array_equal(rows.array, one)


def test_numbers_across_a_words_border_are_copied():
    raw = np.zeros(8 * 24 + 1, np.uint8)
    array = raw[1:].view(np.float64).reshape(2, 3, 4)
    assert not array.flags.aligned
    assert strided(array).array.flags.aligned


@pytest.mark.parametrize(("shape", "rows"), [((5,), (1, 1, 5)), ((3, 5), (1, 3, 5)), ((2, 3, 4, 5), (2, 12, 5))])
def test_other_numbers_of_axes_become_two(shape, rows):
    assert strided(np.zeros(shape)).array.shape == rows


def test_what_a_pass_writes_lies_as_what_it_reads():
    backend = lamina.get_backend("numba")
    x = np.zeros((3, 2, 4), np.float32).swapaxes(0, 1)
    y, rows = backend.as_lies(x, strided(x))
    assert y.shape == x.shape
    assert y.swapaxes(0, 1).flags.c_contiguous
    assert (rows.outer, rows.inner) == (4, 8)


def test_lengths_become_whole_numbers_of_64_bits():
    assert ends(None) is None
    assert ends(np.array([1, 2], np.int32)).dtype == np.int64


def test_every_row_is_in_one_block(monkeypatch):
    backend = lamina.get_backend("numba")
    assert backend.in_parts(7, 10) == [(0, 7)]
    on_threads(monkeypatch, backend, 3)
    assert backend.in_parts(7, 10) == [(0, 2), (2, 4), (4, 7)]
    assert backend.in_parts(2, 10) == [(0, 1), (1, 2)]
    assert backend.in_parts(0, 10) == [(0, 0)]


def test_other_dtypes_have_no_pass():
    backend = lamina.get_backend("numba")
    one, other = np.zeros(1, np.float32), np.zeros(1, np.float64)
    assert backend.has_pass(one, one)
    assert not backend.has_pass(one, other)
    assert not backend.has_pass(one.astype(np.float16))
