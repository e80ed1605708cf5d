"""Memory is used again only when nobody can see it any more."""

import threading
import weakref

import numpy as np
import pytest

from lamina.backends.numpy.memory import Memory


@pytest.fixture
def memory():
    return Memory(least=1000, most=10_000)


def owner(array):
    """Return the array that owns the memory, of which this one is a view."""
    return array if array.base is None else owner(array.base)


def block(array):
    """Return a weak reference to what owns the memory: it is gone when the memory is given back."""
    return weakref.ref(owner(array))


def test_an_array_that_is_gone_makes_room_for_the_next(memory):
    first = memory.empty((10, 50), np.float32)
    assert first.shape == (10, 50) and first.dtype == np.float32 and first.flags.c_contiguous and first.flags.writeable
    first.fill(7)
    where = block(first)
    del first
    again = memory.empty((250,), np.dtype("float64"))
    assert owner(again) is where()
    assert (again.view(np.float32) == 7).all()


@pytest.mark.parametrize("look", [lambda a: a, lambda a: a[3:5], lambda a: a.T.reshape(-1)[::7], memoryview])
def test_what_somebody_can_see_is_not_used_again(memory, look):
    seen = look(memory.empty((1000, 1), np.float32))
    others = [memory.empty((1000, 1), np.float32) for _ in range(3)]
    assert not any(np.shares_memory(seen, other) for other in others)


def test_small_arrays_are_numpys(memory):
    for size, kept in ((249, False), (250, True)):
        array = memory.empty((size,), np.float32)
        assert (array.base is None) is not kept
        where = block(array)
        del array
        assert (where() is not None) is kept


def test_the_smallest_block_that_fits_and_none_much_larger():
    memory = Memory(least=1000, most=100_000)
    sizes = (8000, 3000, 1500)
    arrays = [memory.empty((size,), np.uint8) for size in sizes]
    where = dict(zip(sizes, map(block, arrays), strict=True))
    del arrays
    assert owner(memory.empty((1200,), np.uint8)) is where[1500]()
    assert owner(memory.empty((1500,), np.uint8)) is where[1500]()
    assert owner(memory.empty((2000,), np.uint8)) is where[3000]()
    new = owner(memory.empty((3500,), np.uint8))
    assert all(found() is not None and found() is not new for found in where.values())


def test_what_was_used_the_longest_ago_is_given_back(memory):
    arrays = [memory.empty((4000,), np.uint8) for _ in range(5)]
    blocks = [block(array) for array in arrays]
    arrays.clear()
    assert all(found() is not None for found in blocks)  # while they were in use, there was no bound
    again = memory.empty((2500,), np.uint8)
    unused = [found() is not None for found in blocks if found() is not owner(again)]
    assert len(unused) == 4
    assert 4000 <= 4000 * sum(unused) <= 10_000
    assert unused == sorted(unused)  # those that are left are those that were used last


def test_a_block_counts_once_however_often_it_was_used(memory):
    arrays = [memory.empty((size,), np.uint8) for size in (3000, 4000)]
    small, large = map(block, arrays)
    arrays.clear()
    for _ in range(10):
        assert owner(memory.empty((4000,), np.uint8)) is large()
    other = memory.empty((9000,), np.uint8)
    assert small() is not None and large() is not None
    assert owner(other) is not large()


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
