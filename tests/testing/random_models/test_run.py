"""Random models hold; so many are skipped at most; what fails is made small and printed as code that runs."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

import lamina
from lamina.errors import MissingPackageError
from lamina.layers import Dense
from lamina.testing import ModelCheckError
from lamina.testing.models import MODEL_RELATIONS
from lamina.testing.random_models import Tally, run


@pytest.mark.parametrize("seed", [1, 2])  # of the command 300 run in CI, and 20,000 in the long run
def test_random_models_hold(seed: int) -> None:
    tally = run(50, seed=seed)
    assert tally.models == 50
    for relation in MODEL_RELATIONS:
        assert tally.held[relation] or relation == "planned", relation  # which needs Numba
    assert tally.too_often() == [], tally.reasons
    assert all(error < 1e-9 for error in tally.worst_by_backend.values())
    assert {"numpy", "reference", "array-api-strict"} <= set(tally.worst_by_backend)


def test_the_same_seed_draws_the_same_models() -> None:
    drawn = [[], []]
    for models in drawn:
        run(20, seed=7, each=lambda one, models=models: models.append(str(one)))
    assert drawn[0] == drawn[1]
    assert len(set(drawn[0])) > 10


def test_a_run_in_parts_holds_the_models_of_a_whole_one() -> None:
    whole, parts = [], []
    run(20, seed=7, each=lambda one: whole.append(str(one)))
    for first, last in ((1, 8), (9, 9), (10, None)):
        run(20, seed=7, each=lambda one: parts.append(str(one)), first=first, last=last)
    assert len(whole) == 20
    assert parts == whole


def test_a_run_goes_on_where_it_failed() -> None:
    seen = []

    def each(description):
        seen.append(str(description))
        if len(seen) == 4:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        run(10, seed=7, each=each, shrink=False)
    failed = seen[3]
    seen.clear()
    run(10, seed=7, each=lambda one: seen.append(str(one)), first=caught.value.models)
    assert seen[0] == failed
    assert len(seen) == 7


@pytest.mark.parametrize(("jobs", "expected"), [(1, [(4, 9)]), (2, [(3, 5), (2, 4)]), (3, [(2, 3), (2, 3), (2, 3)])])
def test_processes_take_turns_in_the_count(jobs: int, expected: list[tuple[int, int]], monkeypatch, capsys) -> None:
    from lamina.testing.random_models import __main__ as command

    asked = []

    class Pool(ThreadPoolExecutor):
        def __init__(self, count, mp_context):
            super().__init__(1)

    def one(models, *, seed, shrink, first, last):
        asked.append((first, last))
        if len(asked) == jobs:
            error = ZeroDivisionError("here")
            error.models = last
            raise error
        return Tally()

    monkeypatch.setattr(command, "ProcessPoolExecutor", Pool)
    monkeypatch.setattr(command, "run", one)
    monkeypatch.setattr(sys, "argv", f"random_models 10 --first 4 --last 9 --jobs {jobs}".split())
    assert command.main() == 1
    assert asked == expected
    # The last of 4 to 9 that the last process has: by this number the run goes on.
    assert f"failed after {(9, 8, 9)[jobs - 1]} models" in capsys.readouterr().err


def test_parts_that_are_none_are_refused(capsys, monkeypatch) -> None:
    from lamina.testing.random_models.__main__ import main

    for options in ("--first 0", "--first 4 --last 3", "--last 11"):
        monkeypatch.setattr(sys, "argv", f"random_models 10 {options}".split())
        with pytest.raises(SystemExit):
            main()
        assert "expected 1 <= --first <= --last <= 10, got" in capsys.readouterr().err


def test_a_fault_is_found_made_small_and_printed_as_code_that_runs(monkeypatch, tmp_path) -> None:
    right = Dense.backward

    def wrong(self, dy, saved, **options):
        return right(self, 1.01 * dy, saved, **options)

    monkeypatch.setattr(Dense, "backward", wrong)
    with pytest.raises(ModelCheckError) as caught:
        run(300, seed=0)
    error = caught.value
    assert error.check.startswith("gradients")
    assert 1 <= error.models <= 30
    code = str(error.description)
    assert "Dense(" in code
    assert len(code) < 800
    monkeypatch.undo()
    (tmp_path / "model.py").write_text(code, "utf-8")
    done = subprocess.run([sys.executable, tmp_path / "model.py"], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert "rows alone" in done.stdout


def test_what_fails_once_and_then_holds_is_told_as_what_it_was() -> None:
    seen = []

    def once(description):
        seen.append(description)
        if len(seen) == 3:
            raise ZeroDivisionError("by chance")

    with pytest.raises(ZeroDivisionError, match="by chance") as caught:
        run(10, each=once)
    assert caught.value.models == 3
    assert caught.value.description == seen[2]
    assert caught.value.__notes__[-1].startswith("but held when it was run again")


def test_the_command_prints_the_counts_or_what_failed(capsys, monkeypatch) -> None:
    from lamina.testing.random_models.__main__ import main

    monkeypatch.setattr(sys, "argv", ["random_models", "3", "--seed", "5"])
    assert main() == 0
    assert capsys.readouterr().out.startswith("3 models\n")
    monkeypatch.setattr(lamina.layers.Dense, "kernel_name", "nothing")
    monkeypatch.setattr(sys, "argv", ["random_models", "100", "--no-shrink"])
    assert main() == 1
    told = capsys.readouterr().err.strip().splitlines()
    assert told[0] == "import numpy as np"
    assert told[-1].startswith("failed after ")


def test_processes_share_the_models() -> None:
    command = [sys.executable, "-m", "lamina.testing.random_models", "4", "--jobs", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("4 models\n")


def test_relations_that_are_skipped_too_often_are_told(capsys, monkeypatch) -> None:
    from lamina.testing.random_models.__main__ import main

    tally = Tally()
    tally.possible.update({"stream": 20, "padding": 19})
    tally.missed.update({"stream": 2, "padding": 2})
    assert tally.too_often() == ["padding"]
    tally.reasons["padding"] = {"no lengths": 2}
    monkeypatch.setattr("lamina.testing.random_models.__main__.run", lambda *_, **__: tally)
    monkeypatch.setattr(sys, "argv", ["random_models", "20"])
    assert main() == 1
    assert capsys.readouterr().err == "skipped too often: padding, {'no lengths': 2}\n"


def test_tallies_add_up() -> None:
    both, worst = [], []
    for seed in (0, 1):
        both.append(run(4, seed=seed))
        worst.append(both[-1].worst.get("gradients", 0.0))
    total = both[0] + both[1]
    assert total.models == 8
    assert total.held["call"] == 8
    assert total.skipped == both[0].skipped + both[1].skipped
    assert total.worst["gradients"] == max(worst)
    assert str(total).splitlines()[0] == "8 models"
    assert isinstance(total, Tally)


def test_without_hypothesis_the_extra_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    with pytest.raises(MissingPackageError, match=r"^random models: hypothesis is not installed; pip install"):
        run(1)
