"""What is the same lies on the device once, and only as long as there is room."""

import threading

import numpy as np
import pytest

from lamina.backends.cupy import constants


@pytest.fixture
def uploads(counted):
    """Return the backend, and a function that tells how many arrays a call brings to the device."""
    backend, ledger = counted

    def of(call):
        ledger.clear()
        call()
        return ledger.totals()["upload"]

    return backend, of


def test_the_same_content_is_brought_once(uploads):
    backend, of = uploads
    lengths = np.array([3, 1, 2])
    assert of(lambda: backend.constant(lengths)) == 1
    assert of(lambda: backend.constant(lengths.copy())) == 0
    assert of(lambda: backend.constant(lengths, "int64")) == 0
    assert of(lambda: backend.constant(lengths, "float32")) == 1
    assert of(lambda: backend.constant(lengths.astype("int32"))) == 1
    assert of(lambda: backend.constant(lengths[None])) == 1
    lengths[0] = 4  # another content
    assert of(lambda: backend.constant(lengths)) == 1
    np.testing.assert_array_equal(backend.to_numpy(backend.constant(lengths)), [4, 1, 2])
    assert backend.constant(lengths, "float32").dtype == "float32"


def test_what_lies_there_stays(uploads):
    backend, of = uploads
    there = backend.asarray(np.array([1, 2]))
    assert of(lambda: backend.constant(there, "int64")) == 0
    assert backend.constant(there) is there


def test_a_large_array_is_known_where_it_cannot_change(uploads):
    backend, of = uploads
    table = np.arange(20_000.0)
    assert [of(lambda: backend.constant(table)) for _ in range(2)] == [1, 1]
    table.flags.writeable = False
    assert [of(lambda: backend.constant(table)) for _ in range(2)] == [1, 0]
    assert [of(lambda: backend.constant(table[:10_000])) for _ in range(2)] == [1, 1]  # a view of what may change
    table = None
    other = np.zeros(20_000)  # which may lie where the other one did
    other.flags.writeable = False
    np.testing.assert_array_equal(backend.to_numpy(backend.constant(other)), other)


def test_what_was_noted_is_given_back(uploads):
    backend, of = uploads
    lengths = np.array([5, 6])
    block = backend.asarray(np.arange(1000))
    backend.note_constant(lengths, block[5:7])
    assert of(lambda: backend.constant(lengths, "int64")) == 0
    found = backend.constant(lengths)
    assert found.base is None  # nor is the block kept for it
    np.testing.assert_array_equal(backend.to_numpy(found), lengths)


@pytest.mark.parametrize(("most", "least"), [(("_MOST", 3), 3), (("_MOST_BYTES", 100), 4)])
def test_the_oldest_are_let_go_of(uploads, monkeypatch, most, least):
    backend, of = uploads
    monkeypatch.setattr(constants, *most)
    arrays = [np.full(3, number) for number in range(10)]  # of 24 bytes
    for array in arrays:
        backend.constant(array)
        backend.constant(arrays[0])  # which so stays one of the latest
    assert len(backend._constants) == least
    assert backend._constant_bytes == 24 * least
    assert of(lambda: backend.constant(arrays[0])) == 0
    assert of(lambda: backend.constant(arrays[9])) == 0
    assert of(lambda: backend.constant(arrays[1])) == 1


def test_another_stream_gets_its_own(uploads):
    backend, of = uploads
    values = np.array([1.0, 2.0])
    backend.constant(values)
    with backend.xp.cuda.Stream(non_blocking=True):
        assert of(lambda: backend.constant(values)) == 1


def test_threads_share_them(uploads):
    backend, of = uploads
    arrays = [np.full(4, number) for number in range(50)]
    wrong = []

    def ask():
        for _ in range(20):
            for array in arrays:
                if not np.array_equal(backend.to_numpy(backend.constant(array)), array):
                    wrong.append(array)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert of(lambda: [backend.constant(array) for array in arrays]) == 0
