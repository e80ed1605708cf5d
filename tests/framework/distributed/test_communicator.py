"""What a communicator defines, and what the others get of it."""

import numpy as np
import pytest

import lamina
from lamina.distributed import Communicator, Pending
from lamina.distributed.communicator import require_operation, values_of
from lamina.errors import ArgumentError


class Doubling(Communicator):
    """Two ranks of which the other has the same."""

    name, rank, size = "doubling", 1, 2

    def allreduce(self, array, operation="sum"):
        array *= 2 if operation == "sum" else 1

    def broadcast(self, array, root=0):
        pass

    def barrier(self):
        pass


def test_one_of_five_methods_is_a_whole_one():
    one, array = Doubling(), np.ones(3)
    pending = one.start(array)  # what is not begun by itself is done at once
    assert isinstance(pending, Pending)
    pending.advance()
    pending.wait()
    assert array.tolist() == [2, 2, 2]
    assert not one.on_device(lamina.get_backend("numpy"))
    one.begin()
    one.fail("nobody is told")
    assert repr(one) == "<Doubling: rank 1 of 2>"


def test_one_that_lacks_a_method_is_none():
    class Lacking(Communicator):
        def allreduce(self, array, operation="sum"):
            pass

    with pytest.raises(TypeError, match="abstract"):
        Lacking()


def test_an_operation_that_is_none_is_refused():
    assert require_operation("max") == "max"
    with pytest.raises(ArgumentError, match="expected operation 'sum' or 'max', got 'mean'"):
        require_operation("mean")


@pytest.mark.parametrize("array", [np.ones((4, 4)).T[1:], np.broadcast_to(1.0, 3)], ids=["strided", "read-only"])
def test_an_array_that_cannot_be_written_in_place_is_refused(array):
    with pytest.raises(ArgumentError, match="contiguous array that may be written to"):
        values_of(array)
