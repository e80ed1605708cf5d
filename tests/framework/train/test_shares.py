"""A rank's share of the rows of a batch."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.data.shapes import Data
from lamina.train.shares import Share, mark_of

LENGTHS = st.lists(st.integers(0, 50), max_size=40)


@given(LENGTHS, st.integers(1, 9), st.booleans())
def test_shares_are_all_rows_side_by_side(lengths, size, ragged):
    own = np.array(lengths, np.int64) if ragged else None
    cuts = [Share(rank, size).cut(len(lengths), own) for rank in range(size)]
    assert cuts[0].start == 0
    assert cuts[-1].stop == len(lengths)
    assert all(one.stop == other.start and one.start <= one.stop for one, other in pairwise(cuts))


@given(LENGTHS.filter(len), st.integers(1, 9))
def test_no_share_is_longer_than_the_mean_by_more_than_the_longest_row(lengths, size):
    own = np.array(lengths, np.int64)
    parts = [own[Share(rank, size).cut(len(own), own)].sum() for rank in range(size)]
    assert max(parts) <= own.sum() / size + own.max() + 1


def test_of_several_inputs_all_steps_count():
    long, short = np.array([8, 0, 0, 0]), np.array([0, 3, 3, 2])
    assert [Share(rank, 2).cut(4, (long, None, short)) for rank in (0, 1)] == [slice(0, 1), slice(1, 4)]


@pytest.mark.parametrize("rows", [0, 1, 7])
def test_rows_without_lengths_are_dealt_evenly(rows):
    sizes = [Share(rank, 3).cut(rows) for rank in range(3)]
    assert max(one.stop - one.start for one in sizes) - min(one.stop - one.start for one in sizes) <= 1


def test_a_batch_is_known_by_all_that_it_holds():
    x, y, lengths = np.zeros((2, 3, 1)), np.array([0, 1]), np.array([3, 2])
    data = Data((x,), y, lengths)
    others = [Data((x + 1,), y, lengths), Data((x,), 1 - y, lengths), Data((x,), y, lengths - 1), Data((x,), (y, y))]
    assert mark_of(data) == mark_of(Data((x.copy(),), y.copy(), lengths.copy()))
    assert len({mark_of(one) for one in (data, *others)}) == 5
