import numpy as np
import pytest

from benchmarks.cpu.contestants import CONTESTANTS, find
from benchmarks.cpu.processes import ContestantError, Process, RefusedError
from benchmarks.cpu.turns import Company, Pace, largest_difference
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


def test_those_who_take_long_take_part_on_demand_and_without_the_first_one_there_is_no_play(monkeypatch):
    names = {one.name for one in CONTESTANTS if one.on_demand}
    assert "pytorch compiled" in names

    def absent(process):
        raise ContestantError(process.contestant.name)

    monkeypatch.setattr(Process, "start", absent)
    for on_demand in (False, True):
        company = Company(1, Pace(True), lambda line: None, on_demand=on_demand)
        with pytest.raises(SystemExit, match="by hand"):
            company.play(Training("SimpleRNN", 2, 3, 2, 4), first="by hand")
        company.left_out.clear()
        with pytest.raises(SystemExit, match="lamina"):
            company.play(Training("SimpleRNN", 2, 3, 2, 4))
        asked = {process.contestant.name for process in company._taking_part(Training("LSTM", 2, 3, 2, 4), "lamina")}
        assert asked & names == (names if on_demand else set())
