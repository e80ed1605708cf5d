"""Frames: which rows a block of the batch has, in which order, and how many of them each step reads.

Values with a time axis lie packed: those of step 0 first, one row after another, then those of step 1 that have one.
Rows stand longest first, so that a step reads the first ones; what is past a row's end is nowhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.numba.engine.memory import array_at, compiled, fields, integers_at, record_at, uint

__all__ = ["BATCH", "BLOCK", "DERIVED", "FRAME", "LOAD", "batch_at", "frame_at", "rows_of"]

#: ``rows``, ``steps`` and ``total`` are what the running batch has: rows of this block, steps of its longest row, and
#: rows of packed values. ``order`` (rows,) says for each row which of the batch it is, ``counts`` (steps + 1,) how many
#: rows read a step, and ``offsets`` (steps + 1,) where it begins. ``most`` is how many steps there can be.
FRAME = fields("rows steps total order lengths counts offsets most")

#: The batch: ``ids`` (rows,) of what is given, or 0 for the first ones; ``lengths`` of what is given, or 0. Where
#: ``window`` is not 0, it is so many of the steps, from ``start`` on: rows keep the order that they have as a whole.
BATCH = fields("rows ids lengths steps order sorted buckets start window")

#: Which block of how many.
BLOCK = fields("batch frame number blocks")
#: A frame whose lengths are made of another one's.
DERIVED = fields("source frame before size stride fixed")

#: Moves rows between what the user has, (given rows, steps, width), and what is packed. Of whole numbers, ``wrong`` is
#: the address of an int64 that is set to 1 where one is not from 0 to below ``bound``, nor ignored.
LOAD = fields("batch frame given packed width steps sequence bound ignoring ignored wrong")

frame_at, batch_at = record_at(FRAME), record_at(BATCH)
_block_at, _derived_at, _load_at = record_at(BLOCK), record_at(DERIVED), record_at(LOAD)


@compiled
def rows_of(p: Any) -> Any:
    """Return how many rows a value has, by the fields ``frame`` and ``sequence`` of a record: see `Room.extent`."""
    frame = frame_at(p.frame)
    return frame.total if p.sequence != 0 else frame.rows


@compiled
def _counted(frame: Any) -> None:
    """Count what each step reads, from lengths in falling order."""
    rows = frame.rows
    lengths = integers_at(frame.lengths, rows)
    steps = lengths[0] if rows > 0 else 0
    counts, offsets = integers_at(frame.counts, steps + 1), integers_at(frame.offsets, steps + 1)
    frame.steps = steps
    reading, total = rows, 0
    for t in range(steps):
        while lengths[reading - 1] <= t:
            reading -= 1
        counts[t], offsets[t] = reading, total
        total += reading
    counts[steps], offsets[steps] = 0, total
    frame.total = total


def sort_batch(address: Any) -> None:
    """Put the batch's rows in falling order of their lengths, equal ones as they came."""
    batch = batch_at(address)
    rows, steps = batch.rows, batch.steps
    order, lengths = integers_at(batch.order, rows), integers_at(batch.sorted, rows)
    if batch.lengths == 0:
        for k in range(rows):
            order[k], lengths[k] = k, steps if batch.window == 0 else batch.window
        return
    # ids are read where there are some
    ids, given = integers_at(batch.ids, rows), integers_at(batch.lengths, 1)
    places = integers_at(batch.buckets, steps + 2)
    for k in range(steps + 2):
        places[k] = 0
    for k in range(rows):
        places[steps - given[ids[k] if batch.ids != 0 else k] + 1] += 1
    for k in range(steps + 1):
        places[k + 1] += places[k]
    for k in range(rows):
        length = given[ids[k] if batch.ids != 0 else k]
        place = places[steps - length]
        places[steps - length] += 1
        order[place] = k
        lengths[place] = length if batch.window == 0 else min(max(length - batch.start, 0), batch.window)


def deal_block(address: Any) -> None:
    """Give a block its rows: every so many-th, so that blocks have alike much to do."""
    block = _block_at(address)
    batch, frame = batch_at(block.batch), frame_at(block.frame)
    rows = (batch.rows - block.number + block.blocks - 1) // block.blocks
    order, lengths = integers_at(batch.order, batch.rows), integers_at(batch.sorted, batch.rows)
    own, ends = integers_at(frame.order, rows), integers_at(frame.lengths, rows)
    frame.rows = rows
    for k in range(rows):
        place = block.number + k * block.blocks
        own[k], ends[k] = order[place], lengths[place]
    _counted(frame)


def derive_frame(address: Any) -> None:
    """Make a frame of another one's, of lengths (length + before - size) // stride + 1, or of all steps."""
    derived = _derived_at(address)
    source, frame = frame_at(derived.source), frame_at(derived.frame)
    rows = source.rows
    lengths, ends = integers_at(source.lengths, rows), integers_at(frame.lengths, rows)
    frame.rows, frame.order = rows, source.order
    for k in range(rows):
        if derived.fixed != 0:
            ends[k] = frame.most
            continue
        reach = lengths[k] + derived.before - derived.size
        ends[k] = reach // derived.stride + 1 if lengths[k] > 0 and reach >= 0 else 0
    _counted(frame)


@compiled
def _row_of(batch: Any, frame: Any, k: Any) -> Any:
    """Return which of the given rows the block's k-th is."""
    place = integers_at(frame.order, frame.rows)[k]
    return integers_at(batch.ids, batch.rows)[place] if batch.ids != 0 else place


@compiled
def _load(address: Any, dtype: Any) -> None:
    p = _load_at(address)
    batch, frame, width = batch_at(p.batch), frame_at(p.frame), p.width
    given = array_at(p.given, 1, dtype)
    packed = array_at(p.packed, max(frame.total, frame.rows) * width, dtype)
    if p.sequence == 0:
        for k in range(frame.rows):
            source = _row_of(batch, frame, k) * width
            for j in range(width):
                packed[uint(k * width + j)] = given[uint(source + j)]
        return
    counts, offsets = integers_at(frame.counts, frame.steps), integers_at(frame.offsets, frame.steps)
    for k in range(frame.rows):
        source = (_row_of(batch, frame, k) * p.steps + batch.start) * width
        for t in range(frame.steps):
            if counts[t] <= k:
                break
            place = (offsets[t] + k) * width
            for j in range(width):
                packed[uint(place + j)] = given[uint(source + t * width + j)]


@compiled
def _unload(address: Any, dtype: Any) -> None:
    p = _load_at(address)
    frame, width = frame_at(p.frame), p.width
    packed = array_at(p.packed, max(frame.total, frame.rows) * width, dtype)
    order, given = integers_at(frame.order, frame.rows), array_at(p.given, 1, dtype)
    for k in range(frame.rows):
        if p.sequence == 0:
            for j in range(width):
                given[order[k] * width + j] = packed[uint(k * width + j)]
            continue
        counts, offsets = integers_at(frame.counts, frame.steps), integers_at(frame.offsets, frame.steps)
        for t in range(p.steps):
            out = (order[k] * p.steps + t) * width
            if t < frame.steps and counts[t] > k:
                place = (offsets[t] + k) * width
                for j in range(width):
                    given[uint(out + j)] = packed[uint(place + j)]
            else:
                for j in range(width):
                    given[uint(out + j)] = dtype(0)


def load_float32(address: Any) -> None:
    """Pack what is given."""
    _load(address, np.float32)


def load_float64(address: Any) -> None:
    """As `load_float32`."""
    _load(address, np.float64)


def load_int64(address: Any) -> None:
    """Pack whole numbers, and tell where one is out of bounds."""
    _load(address, np.int64)
    p = _load_at(address)
    if p.bound == 0:
        return
    count = rows_of(p)
    found = integers_at(p.packed, count)
    for k in range(count):
        if (found[k] < 0 or found[k] >= p.bound) and (p.ignoring == 0 or found[k] != p.ignored):
            integers_at(p.wrong, 1)[0] = 1


def unload_float32(address: Any) -> None:
    """Write what is packed in the order of the batch, with zeros past each row's end."""
    _unload(address, np.float32)


def unload_float64(address: Any) -> None:
    """As `unload_float32`."""
    _unload(address, np.float64)
