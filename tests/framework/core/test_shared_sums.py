"""How a layer adds up what all ranks have."""

import threading

import numpy as np
import pytest

from lamina.core.shared_sums import shared_sums, sum_over_ranks


def test_it_is_there_within_the_block_alone_also_where_that_raises():
    def double(array):
        return 2 * array

    assert sum_over_ranks() is None
    with pytest.raises(ValueError, match="of its own"), shared_sums(double):
        assert sum_over_ranks()(np.ones(2)).tolist() == [2, 2]
        with shared_sums(None):
            assert sum_over_ranks() is None
        assert sum_over_ranks() is double
        raise ValueError("of its own")
    assert sum_over_ranks() is None


def test_another_thread_knows_nothing_of_it():
    found = []
    with shared_sums(abs):
        one = threading.Thread(target=lambda: found.append(sum_over_ranks()))
        one.start()
        one.join()
    assert found == [None]
