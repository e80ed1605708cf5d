import numpy as np
import pytest

from benchmarks.cpu.contestants import find
from benchmarks.cpu.processes import Process, RefusedError
from benchmarks.cpu.turns import Pace, largest_difference
from benchmarks.cpu.work import Training


def test_differences_are_relative_to_the_largest_element():
    expected = {"loss": np.array(2.0), "w": np.array([100.0, 1.0])}
    place, difference = largest_difference(expected, {"loss": np.array(2.002), "w": np.array([100.0, 2.0])})
    assert place == "w" and difference == pytest.approx(0.01)
    assert largest_difference(expected, expected) == ("nothing", 0)


@pytest.mark.parametrize("found", [{}, {"w": np.zeros(3)}, {"w": np.array([np.nan, 1.0])}])
def test_what_is_missing_or_not_a_number_is_no_agreement(found):
    place, difference = largest_difference({"w": np.array([1.0, 1.0])}, found)
    assert place == "w" and not difference <= 1e-3


def test_slow_work_gets_fewer_rounds():
    pace = Pace()
    assert pace.rounds(0.1) == pace.most
    assert pace.rounds(1000) == pace.least
    assert Pace(quick=True).rounds(1000) == 1


def test_a_process_does_work_until_it_is_stopped():
    work = Training("SimpleRNN", 2, 3, 2, 4)
    process = Process(find("by hand"), 1)
    process.start()
    try:
        results, seconds = process.prepare(work, 0.01, limit=30)
        assert set(results) == {"loss", *work.weights()} and seconds > 0
        assert process.turn(limit=30) > 0
        with pytest.raises(RefusedError, match="only the SimpleRNN"):
            process.prepare(Training("LSTM", 2, 3, 2, 4), 0.01, limit=30)
    finally:
        process.stop()
