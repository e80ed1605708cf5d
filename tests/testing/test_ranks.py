"""Ranks that are threads."""

import numpy as np
import pytest

from lamina.errors import ArgumentError, DistributedError
from lamina.testing.ranks import run_ranks


def test_all_get_the_sum_in_the_order_of_ranks_to_the_bit():
    rng = np.random.default_rng(0)
    given = rng.normal(size=(4, 1000)).astype("float32")

    def run(communicator):
        own = given[communicator.rank].copy()
        communicator.allreduce(own)
        return own

    found = run_ranks(4, run)
    expected = ((given[0] + given[1]) + given[2]) + given[3]
    assert all(np.array_equal(one, expected) for one in found)


def test_the_largest_the_root_s_and_the_barrier():
    def run(communicator):
        largest, root = np.array([communicator.rank]), np.array([communicator.rank])
        communicator.allreduce(largest, "max")
        communicator.broadcast(root, 2)
        communicator.barrier()
        return int(largest[0]), int(root[0]), communicator.sent

    assert run_ranks(3, run) == [(2, 2, 8), (2, 2, 8), (2, 2, 16)]


def test_the_error_of_the_rank_that_failed_is_raised():
    def run(communicator):
        if communicator.rank == 1:
            raise ValueError("of its own")
        communicator.barrier()

    with pytest.raises(ValueError, match="of its own"):
        run_ranks(3, run)


def test_arrays_that_do_not_fit_are_refused():
    with pytest.raises(DistributedError, match="gave arrays of"):
        run_ranks(2, lambda communicator: communicator.allreduce(np.zeros(communicator.rank + 1)))


def test_no_ranks_are_refused():
    with pytest.raises(ArgumentError, match="count"):
        run_ranks(0, lambda communicator: None)
