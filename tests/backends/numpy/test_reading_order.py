"""The reading order, against its definition: who reads what at which step."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.backends.numpy.reading_order import ReadingOrder, reading_order

cases = st.integers(0, 5).flatmap(
    lambda time: st.tuples(
        st.just(time), st.lists(st.integers(0, time), max_size=6), st.booleans(), st.sampled_from(["lengths", "full"])
    )
)


def make(time: int, lengths: list[int], reverse: bool, kind: str) -> tuple[ReadingOrder, list[int]]:
    if kind == "full":
        return reading_order(len(lengths), time, None, reverse), [time] * len(lengths)
    return reading_order(len(lengths), time, np.array(lengths, np.int64), reverse), lengths


@settings(max_examples=150, deadline=None)
@given(cases)
def test_each_block_continues_the_first_rows_of_the_block_before(case: tuple[int, list[int], bool, str]) -> None:
    time, lengths, reverse, kind = case
    order, lengths = make(time, lengths, reverse, kind)
    batch = len(lengths)
    # Every element says where it is: its row, and its step.
    where = np.stack(np.meshgrid(np.arange(batch), np.arange(time), indexing="ij"), axis=-1)
    slab = np.empty((batch + order.rows, 2), where.dtype)
    slab[:batch] = order.to_first(np.stack([np.arange(batch), np.full(batch, -1)], axis=1))
    slab[batch:] = order.gather(where)

    blocks = [slab[:batch], *order.steps(slab[batch:])]
    assert all(np.shares_memory(block, slab) for block in blocks if block.size)
    read: dict[int, list[int]] = {row: [] for row in range(batch)}
    before = []
    for previous, block in pairwise(blocks):
        assert len(block) <= len(previous)
        for place, (row, step) in enumerate(block.tolist()):
            assert previous[place, 0] == row
            read[row].append(step)
            before.append(previous[place].tolist())
    expected = {row: list(range(length)) for row, length in enumerate(lengths)}
    assert read == {row: steps[::-1] if reverse else steps for row, steps in expected.items()}
    assert order.before(slab).tolist() == before


@settings(max_examples=80, deadline=None)
@given(cases)
def test_scatter_undoes_gather_with_zeros_past_each_end(case: tuple[int, list[int], bool, str]) -> None:
    time, lengths, reverse, kind = case
    order, lengths = make(time, lengths, reverse, kind)
    array = np.random.default_rng(time).standard_normal((len(lengths), time, 3))
    gathered = order.gather(array)
    assert gathered.shape == (order.rows, 3) == (sum(lengths), 3)
    expected = array.copy()
    for row, length in enumerate(lengths):
        expected[row, length:] = 0
    assert order.scatter(gathered).tolist() == expected.tolist()


@settings(max_examples=80, deadline=None)
@given(cases)
def test_the_last_state_is_where_each_row_stopped(case: tuple[int, list[int], bool, str]) -> None:
    time, lengths, reverse, kind = case
    order, lengths = make(time, lengths, reverse, kind)
    batch = len(lengths)
    array = np.random.default_rng(7).standard_normal((batch, time, 2))
    first = -1 - np.arange(2.0 * batch).reshape(batch, 2)
    slab = np.concatenate([order.to_first(first), order.gather(array)])
    expected = [
        (array[row, 0 if reverse else length - 1] if length else first[row]).tolist()
        for row, length in enumerate(lengths)
    ]
    last = order.last(slab)
    assert last.tolist() == expected
    assert not np.shares_memory(last, slab)

    start = order.from_first(slab[:batch])
    assert start.tolist() == first.tolist()
    assert not np.shares_memory(start, slab)


def test_full_rows_that_lie_time_major_are_read_without_a_copy() -> None:
    order = reading_order(3, 4, None, False)
    time_major = np.arange(24.0).reshape(4, 3, 2)
    assert np.shares_memory(order.gather(time_major.transpose(1, 0, 2)), time_major)
    rows = np.arange(24.0).reshape(12, 2)
    assert np.shares_memory(order.scatter(rows), rows)


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8"])
def test_the_order_of_the_same_lengths_is_worked_out_once(dtype: str) -> None:
    first = reading_order(3, 5, np.array([4, 1, 5], np.int64), True)
    assert reading_order(3, 5, np.array([4, 1, 5], dtype), True) is first
    assert reading_order(3, 5, np.array([4, 1, 5], dtype), False) is not first
