"""What is recorded of a step: the kernels' calls, and nothing afterwards."""

import numpy as np

from benchmarks import profile
from benchmarks.cpu.work import Training
from lamina.backends.numpy import lstm as numpy_lstm


def test_calls_and_operations_of_a_step() -> None:
    work = Training("SimpleRNN", 4, 5, 3, 6)
    step = profile.ours.training(work).call
    with profile.recorded() as record:
        step()
    assert numpy_lstm.np is np
    assert record.calls["tanh"] == 5  # one a step
    assert all(seconds > 0 for seconds in record.seconds.values())
    before = dict(record.calls)
    step()
    assert record.calls == before


def test_a_row_of_the_table() -> None:
    row = profile.profile(Training("LSTM", 4, 5, 3, 6))
    assert row[:2] == ["LSTM", "(4, 5, 3, 6)"] and len(row) == 9
    assert float(row[2]) > 0
    assert int(row[-1]) >= 2 * 5  # at least a product a step in each direction


def test_products_are_counted_by_their_multiplications_and_additions() -> None:
    record = profile.Record()
    numpy = profile._RecordedNumPy(record)
    numpy.matmul(np.ones((2, 3)), np.ones((3, 4)))
    numpy.matmul(np.ones((5, 2, 3)), np.ones((3, 4)))
    numpy.add.reduce(np.ones(3))
    assert record.operations == 2 * 2 * 3 * 4 * 6
    assert record.calls == {"matmul": 2, "add": 1}
    assert numpy.float32 is np.float32
