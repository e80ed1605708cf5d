"""Memory is used again only when nobody can see it any more."""

import threading

import numpy as np
import pytest

from lamina.backends.numpy.memory import Memory


@pytest.fixture
def memory():
    return Memory(least=1000, most=10_000)


def address(array):
    return array.__array_interface__["data"][0]


def kept(memory):
    return sum(block.size for block in memory._blocks)


def test_an_array_that_is_gone_makes_room_for_the_next(memory):
    first = memory.empty((10, 50), np.float32)
    assert first.shape == (10, 50) and first.dtype == np.float32 and first.flags.c_contiguous and first.flags.writeable
    where = address(first)
    del first
    assert address(memory.empty((250,), np.dtype("float64"))) == where


@pytest.mark.parametrize("look", [lambda a: a, lambda a: a[3:5], lambda a: a.T.reshape(-1)[::7], memoryview])
def test_what_somebody_can_see_is_not_used_again(memory, look):
    seen = look(memory.empty((1000, 1), np.float32))
    others = [memory.empty((1000, 1), np.float32) for _ in range(3)]
    assert not any(np.shares_memory(seen, other) for other in others)


def test_small_arrays_are_numpys(memory):
    assert memory.empty((249,), np.float32).base is None
    assert kept(memory) == 0


def test_the_smallest_block_that_fits_and_none_much_larger():
    memory = Memory(least=1000, most=100_000)  # all are kept: an address given back could come again by chance
    sizes = (8000, 3000, 1500)
    arrays = [memory.empty((size,), np.uint8) for size in sizes]
    where = dict(zip(sizes, map(address, arrays), strict=True))
    del arrays
    assert address(memory.empty((1200,), np.uint8)) == where[1500]
    assert address(memory.empty((2000,), np.uint8)) == where[3000]
    assert address(memory.empty((3500,), np.uint8)) not in where.values()


def test_what_was_used_the_longest_ago_is_given_back(memory):
    arrays = [memory.empty((4000,), np.uint8) for _ in range(5)]
    assert kept(memory) == 20_000  # in use: no bound
    last = address(arrays[-1])
    arrays.clear()
    again = memory.empty((2500,), np.uint8)
    assert kept(memory) <= 4000 + 10_000
    del again
    assert last in [address(block.content) for block in memory._blocks]


def test_empty_shapes(memory):
    assert memory.empty((0, 5), np.float32).shape == (0, 5)


def test_threads_do_not_get_the_same_memory(memory):
    wrong = []

    def work(value):
        for _ in range(300):
            array = memory.empty((1000,), np.float32)
            array.fill(value)
            if not (array == value).all():
                wrong.append(value)

    threads = [threading.Thread(target=work, args=(value,)) for value in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
