"""Packed frames: the order of the rows, what each step reads, and what is moved."""

import ctypes

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

from lamina.backends.numba.engine import functions
from lamina.backends.numba.engine.frames import BATCH, BLOCK, DERIVED, LOAD
from lamina.backends.numba.engine.room import Room, address_of_array
from lamina.backends.program import Frame, Program

ROWS, STEPS = 11, 6


def call(name, record):
    ctypes.CFUNCTYPE(None, ctypes.c_int64)(functions.address_of("frames", name))(address_of_array(record))


class Batch:
    """A batch dealt to some blocks, as a plan deals it."""

    def __init__(self, lengths=None, ids=None, rows=ROWS, blocks=1):
        program = Program("float64", ROWS, STEPS)
        program.frames += [Frame(STEPS, None, {}), Frame(STEPS, 0, {})]
        self.rooms = [Room(program, ROWS, {}) for _ in range(blocks)]
        first = self.rooms[0]
        self.lengths = None if lengths is None else np.asarray(lengths, np.int64)
        self.ids = None if ids is None else np.asarray(ids, np.int64)
        self.record = first.record(
            BATCH,
            rows=rows,
            steps=STEPS,
            lengths=0 if lengths is None else address_of_array(self.lengths),
            ids=0 if ids is None else address_of_array(self.ids),
            order=first.integers(ROWS),
            sorted=first.integers(ROWS),
            buckets=first.integers(STEPS + 3),
        )
        call("sort_batch", self.record)
        for number, room in enumerate(self.rooms):
            batch = address_of_array(self.record)
            call("deal_block", room.record(BLOCK, batch=batch, frame=room.frame(0), number=number, blocks=blocks))

    def frame(self, index=0, block=0):
        """Return a frame's fields, arrays read."""
        record = self.rooms[block]._frames[index]
        found = {name: int(record[name][0]) for name in record.dtype.names}
        for name, count in (("order", "rows"), ("lengths", "rows"), ("counts", "steps"), ("offsets", "steps")):
            size = found[count] + (count == "steps")
            found[name] = list((ctypes.c_int64 * size).from_address(found[name]))
        found["whole"] = found["total"] == found["rows"] * found["steps"]  # all rows read all steps
        return found


def test_rows_stand_longest_first_and_equal_ones_as_they_came():
    frame = Batch([2, 6, 0, 2, 5, 6, 1, 0, 2, 3, 4]).frame()
    assert frame["order"] == [1, 5, 4, 10, 9, 0, 3, 8, 6, 2, 7]
    assert frame["lengths"] == [6, 6, 5, 4, 3, 2, 2, 2, 1, 0, 0]
    assert frame["counts"] == [9, 8, 5, 4, 3, 2, 0]
    assert frame["offsets"] == [0, 9, 17, 22, 26, 29, 31]
    assert (frame["total"], frame["steps"], frame["whole"]) == (31, 6, 0)


def test_without_lengths_all_rows_read_all_steps():
    frame = Batch(rows=4).frame()
    assert frame["order"] == [0, 1, 2, 3]
    assert frame["counts"] == [4] * STEPS + [0]
    assert (frame["total"], frame["whole"]) == (4 * STEPS, 1)


def test_a_batch_of_none_but_empty_rows_has_no_step():
    frame = Batch([0] * ROWS).frame()
    assert (frame["total"], frame["steps"], frame["counts"]) == (0, 0, [0])


def test_lengths_are_those_of_the_rows_that_are_named():
    frame = Batch([1, 2, 3, 4, 5, 6, 0, 0, 0, 0, 0], ids=[5, 0, 2], rows=3).frame()
    assert frame["order"] == [0, 2, 1]
    assert frame["lengths"] == [6, 3, 1]


def test_blocks_have_each_row_once_and_alike_much_to_do():
    lengths = [2, 6, 0, 2, 5, 6, 1, 0, 2, 3, 4]
    batch = Batch(lengths, blocks=3)
    frames = [batch.frame(block=block) for block in range(3)]
    assert sorted(row for frame in frames for row in frame["order"]) == list(range(ROWS))
    totals = [frame["total"] for frame in frames]
    assert sum(totals) == sum(lengths)
    assert max(totals) - min(totals) <= STEPS


@pytest.mark.parametrize(("before", "size", "stride"), [(0, 1, 1), (0, 3, 1), (2, 3, 1), (1, 2, 2), (0, 2, 3)])
def test_a_derived_frame_has_the_lengths_of_a_window(before, size, stride):
    lengths = [2, 6, 0, 2, 5, 6, 1, 0, 2, 3, 4]
    batch = Batch(lengths)
    room = batch.rooms[0]
    source, frame = room.frame(0), room.frame(1)
    call("derive_frame", room.record(DERIVED, source=source, frame=frame, before=before, size=size, stride=stride))
    found = batch.frame(1)
    expected = [max((n + before - size) // stride + 1, 0) if n else 0 for n in lengths]
    assert [found["lengths"][found["order"].index(row)] for row in range(ROWS)] == expected
    assert found["lengths"] == sorted(expected, reverse=True)


def test_a_frame_of_fixed_lengths_has_all_steps_of_all_rows():
    batch = Batch([2, 6, 0, 2, 5, 6, 1, 0, 2, 3, 4])
    room = batch.rooms[0]
    call("derive_frame", room.record(DERIVED, source=room.frame(0), frame=room.frame(1), fixed=1, stride=1))
    found = batch.frame(1)
    assert found["lengths"] == [STEPS] * ROWS and found["counts"] == [ROWS] * STEPS + [0]


@pytest.mark.parametrize("lengths", [None, [2, 6, 0, 2, 5, 6, 1, 0, 2, 3, 4]])
def test_what_is_packed_and_unpacked_again_is_what_was_given_and_0_past_the_ends(lengths):
    batch = Batch(lengths)
    room, width = batch.rooms[0], 3
    given = np.random.default_rng(0).normal(size=(ROWS, STEPS, width))
    packed, back = room.take(ROWS * STEPS * width), np.full_like(given, np.nan)
    record = room.record(
        LOAD, batch=address_of_array(batch.record), frame=room.frame(0), given=address_of_array(given),
        packed=address_of_array(packed), width=width, steps=STEPS, sequence=1,
    )  # fmt: skip
    call("load_float64", record)
    frame = batch.frame()
    for t in range(frame["steps"]):
        for k in range(frame["counts"][t]):
            place = (frame["offsets"][t] + k) * width
            np.testing.assert_array_equal(packed[place : place + width], given[frame["order"][k], t])
    record["given"] = address_of_array(back)
    call("unload_float64", record)
    ends = np.full(ROWS, STEPS) if lengths is None else np.array(lengths)
    expected = np.where((np.arange(STEPS) < ends[:, None])[..., None], given, 0)
    np.testing.assert_array_equal(back, expected)


def test_a_whole_number_out_of_bounds_is_told_where_it_is_read_and_not_past_an_end():
    batch = Batch([2] * ROWS)
    room = batch.rooms[0]
    wrong, given = room.take(1, np.int64), np.zeros((ROWS, STEPS), np.int64)
    packed = room.take(ROWS * STEPS, np.int64)
    record = room.record(
        LOAD, batch=address_of_array(batch.record), frame=room.frame(0), given=address_of_array(given),
        packed=address_of_array(packed), width=1, steps=STEPS, sequence=1, bound=5, ignoring=1, ignored=-100,
        wrong=address_of_array(wrong),
    )  # fmt: skip
    for place, value, told in (((3, 2), 9, 0), ((3, 1), -100, 0), ((3, 1), 4, 0), ((3, 1), 5, 1), ((0, 0), -1, 1)):
        given[:], wrong[:] = 0, 0
        given[place] = value
        call("load_int64", record)
        assert wrong[0] == told, (place, value)
