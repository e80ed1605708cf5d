import numpy as np
import pytest

import lamina
from lamina.backends.numpy.gates import largest_chunk
from lamina.backends.numpy.reading_order import reading_order

BACKEND = lamina.get_backend("numpy")


@pytest.mark.parametrize("gates", [(0, 1, 2), (2, 0, 1)])
def test_stacked_and_back(gates):
    w, gates = np.arange(24.0).reshape(4, 6), np.array(gates)
    stack = BACKEND.stacked(w, 2, gates)
    for part, gate in zip(stack, gates, strict=True):
        assert np.array_equal(part, w[:, 2 * gate : 2 * gate + 2])
    assert np.array_equal(BACKEND.side_by_side(stack, np.argsort(gates)), w)
    back = BACKEND.transposed(stack)
    assert np.array_equal(back, stack.swapaxes(1, 2)) and back.flags.c_contiguous


def test_inputs_in_reading_order_with_a_one_for_the_bias():
    order = reading_order(2, 2, np.array([1, 2]), False)
    x = np.array([[[1.0], [np.nan]], [[2.0], [3.0]]])
    assert BACKEND.inputs_and_one(order, x).tolist() == [[2, 1], [1, 1], [3, 1]]
    w, b, gates = np.array([[3.0, 4.0]]), np.array([5.0, 6.0]), np.array([1, 0])
    assert BACKEND.weights_and_bias(w, b, 1, gates).tolist() == [[[4], [6]], [[3], [5]]]
    assert BACKEND.weights_and_bias(w, None, 1, gates).tolist() == [[[4], [0]], [[3], [0]]]


def test_chunks_cover_all_rows_once():
    for lengths in (None, np.array([5, 0, 9, 9, 2])):
        order = reading_order(5, 9, lengths, False)
        chunks = order.chunks(7)
        runs = [run for chunk in chunks for run in chunk]
        assert [run.first for run in runs] == [0, *(run.stop for run in runs[:-1])]
        assert runs[-1].stop == order.rows
        assert all(run.stop - run.first == run.steps * run.number for run in runs)
        assert largest_chunk(chunks) == max(chunk[-1].stop - chunk[0].first for chunk in chunks)
    assert largest_chunk([]) == 0
