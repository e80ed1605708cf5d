import pytest

from lamina import threads
from lamina.backends.numpy_threads import threads_of_products


def test_one_thread_in_the_block_and_all_of_them_after():
    before = threads_of_products()
    with pytest.raises(KeyboardInterrupt), threads.single_threaded() as limited:
        assert threads_of_products() == 1
        raise KeyboardInterrupt
    assert threads_of_products() == before
    assert limited or before == 1


def test_nothing_changes_where_it_is_not_wanted():
    before = threads_of_products()
    with threads.single_threaded(False) as limited:
        assert not limited and threads_of_products() == before
