"""Ranks over MPI, started by its launcher: what they come to, and how they end where one does not come."""

import re

import pytest

from tests.framework.distributed.launching import launch, require_mpi

JOB = "tests.framework.distributed.rank_job"


@pytest.fixture(autouse=True)
def _mpi():
    require_mpi()


def came_to(process):
    """Return what a run came to."""
    assert process.returncode == 0, process.stderr
    return re.search(r"came to (.*)", process.stdout).group(1)


@pytest.mark.parametrize("ranks", [2, 4])
def test_ranks_come_to_what_one_process_does(ranks):
    process = launch(ranks, JOB, "equal", "numpy")
    assert process.returncode == 0, process.stderr
    print(process.stdout)
    found = re.findall(r"^(.*?)\s+weights (\S+) loss (\S+) (same bits)$", process.stdout, re.M)
    assert len(found) == len(process.stdout.splitlines()) >= 20
    assert all(float(weights) < 1e-9 and float(loss) < 1e-9 for _, weights, loss, _ in found)


def test_planned_ranks_do_too():
    pytest.importorskip("numba", reason="the numba extra is not installed")
    process = launch(2, JOB, "equal", "numba")
    found = re.findall(r"weights (\S+) loss (\S+) same bits", process.stdout)
    assert len(found) == len(process.stdout.splitlines()) >= 20
    assert all(float(weights) < 1e-9 and float(loss) < 1e-9 for weights, loss in found)


def test_the_communicator_as_it_is():
    process = launch(3, JOB, "plain")
    # Ranks may print into one another's lines.
    assert sorted(re.findall(r"rank \d \[.*?\] \d \d <.*?>", process.stdout)) == [
        f"rank {rank} [3.0, 6.0, 9.0, 12.0, 15.0] 2 1 <MPICommunicator: rank {rank} of 3>" for rank in range(3)
    ]


def test_a_killed_rank_is_named_and_the_run_goes_on_from_its_checkpoint(tmp_path):
    whole = came_to(launch(3, JOB, "kept", str(tmp_path / "whole")))
    for turn in range(5):  # a machine that is busy may end all before the word is said, which is rare
        process = launch(3, JOB, "kept", str(tmp_path / f"kept-{turn}"), "kill")
        assert process.returncode != 0
        told = [line for line in process.stderr.splitlines() if line.startswith("lamina: ")]
        if told:
            break
    assert len(told) == 1
    assert re.fullmatch(r"lamina: rank 1 of 3 \(process \d+\) ended without a word, .*: all ranks end", told[0])
    again = launch(3, JOB, "kept", str(tmp_path / f"kept-{turn}"))
    assert re.search(r"goes on from step \d of epoch 2 of 3", again.stdout)
    assert came_to(again) == whole


def test_a_run_goes_on_with_another_number_of_ranks(tmp_path):
    whole = came_to(launch(2, JOB, "kept", str(tmp_path / "whole")))
    launch(3, JOB, "kept", str(tmp_path / "kept"), "kill")
    again = launch(2, JOB, "kept", str(tmp_path / "kept"))
    assert "was begun on 3 ranks, goes on on 2 ranks: numbers may differ by rounding" in again.stdout
    numbers, expected = ([float(one) for one in text.split()] for text in (came_to(again), whole))
    assert numbers == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("how", ["hang", "stop"])
def test_a_rank_that_hangs_is_named_and_all_end(how, tmp_path):
    process = launch(3, JOB, "kept", str(tmp_path / "kept"), how, TIMEOUT="2")
    assert process.returncode != 0
    told = re.findall(r"DistributedError: (.*)", process.stderr)
    assert len(told) == 1
    assert re.fullmatch(
        r"rank 1 of 3 \(process \d+ on \S+\) did not come within 2 s to where the other ranks wait: all end", told[0]
    )


def test_a_rank_that_fails_ends_all_with_its_own_words(tmp_path):
    process = launch(3, JOB, "kept", str(tmp_path / "kept"), "raise")
    assert process.returncode != 0
    assert process.stderr.count("Traceback") == 1
    assert "ValueError: of its own\non rank 1 of 3" in process.stderr


def test_a_step_sends_the_gradients_once_and_of_a_table_the_rows():
    lines = launch(2, JOB, "sent").stdout.splitlines()
    (sent, gradients, _), (of_rows, whole, dense) = ([int(one) for one in re.findall(r"\d+", line)] for line in lines)
    assert gradients < sent <= gradients + 64  # what else ranks agree on are five numbers
    # A byte for each row of the table, and the rows that either rank has used: 8 rows of 7 steps at most.
    assert dense + 50_000 < of_rows <= dense + 50_000 + 8 * 7 * 8 * 4 + 64 < whole / 20


def test_the_command_line_speaks_and_writes_once(tmp_path):
    command = ["lamina", "train", "japanese-vowels", "--epochs", "2", "--distributed", "--units", "16"]
    process = launch(2, *command, "--out", str(tmp_path / "two"))
    assert process.returncode == 0, process.stderr
    assert process.stdout.count("test accuracy") == process.stdout.count("epoch 2/2") == 1
    assert "distributed  2 ranks over mpi" in process.stdout
    alone = launch(1, *command, "--out", str(tmp_path / "one"))
    assert re.findall("accuracy .*%.*", process.stdout) == re.findall("accuracy .*%.*", alone.stdout)
    tables = [(tmp_path / name / "history.csv").read_text().split()[1:] for name in ("one", "two")]
    alone, two = ([float(one) for row in table for one in row.split(",")[:3]] for table in tables)
    assert two == pytest.approx(alone, rel=1e-4)


def test_an_error_on_the_command_line_is_one_line():
    process = launch(3, "lamina", "train", "nowhere.csv", "--distributed")
    assert process.returncode != 0
    told = [line for line in process.stderr.splitlines() if line.startswith("lamina: ")]
    assert told == ["lamina: error: 'nowhere.csv': there is no such file"]


def test_a_timeout_without_ranks_is_refused():
    process = launch(1, "lamina", "train", "digits", "--timeout", "3")
    assert process.stderr.startswith("lamina: error: --timeout: expected --distributed beside it")
