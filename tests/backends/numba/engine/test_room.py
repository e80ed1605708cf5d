"""The room of a block: what lies where."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

from lamina.backends.numba.engine.room import Room, address_of_array
from lamina.backends.program import Frame, Program, Weights


@pytest.fixture
def program():
    program = Program("float32", 4, 5)
    program.frames.append(Frame(5, None, {}))
    return program


def test_all_that_is_taken_begins_a_cache_line_and_is_0(program):
    room = Room(program, 4, {})
    for count, dtype in ((1, None), (7, np.int64), (33, np.float64)):
        array = room.take(count, dtype)
        assert address_of_array(array) % 64 == 0
        assert array.shape == (count,) and not array.any()


def test_a_value_lies_in_one_place_and_has_room_for_all_steps_of_all_rows(program):
    room = Room(program, 4, {})
    rows, steps = program.value(3), program.value(3, 0)
    assert room.value(rows) == room.value(rows) != room.value(steps)
    assert (room.most(rows), room.most(steps)) == (4, 20)


def test_gradients_are_wanted_of_what_trained_weights_make_alone(program):
    x, h, y, z = (program.value(2) for _ in range(4))
    weights = np.zeros((2, 2), np.float32)
    program.call("dense", [x], [h], {"w": Weights(weights, None)})
    program.call("dense", [h], [y], {"w": Weights(weights, weights.copy())})
    program.call("tanh", [y], [z])
    room = Room(program, 4, {})
    assert [room.downstream(value) != 0 for value in (x, h, y, z)] == [False, False, True, True]
    assert room.upstream(x) == 0


def test_each_reader_of_a_value_writes_its_gradient_to_a_place_of_its_own(program):
    x, y = program.value(2), program.value(2)
    weights = np.zeros((2, 2), np.float32)
    program.call("dense", [x], [y], {"w": Weights(weights, weights.copy())})
    room = Room(program, 4, {})
    places = [room.downstream(y) for _ in range(3)]
    assert len(set(places)) == 3
    assert room.written(y) == places
    assert room.upstream(y) == places[0]


def test_a_block_adds_gradients_to_its_own_copy_where_it_has_one(program):
    flat = np.zeros(10, np.float32)
    own = address_of_array(flat)
    room = Room(program, 4, {own: (flat.nbytes, 1 << 20)})
    other = np.zeros(3, np.float32)
    assert room.gradient_of(Weights(flat, flat[4:7])) == (1 << 20) + 16
    assert room.gradient_of(Weights(other, other)) == address_of_array(other)
    assert room.gradient_of(Weights(other, None)) == room.gradient_of(None) == 0
