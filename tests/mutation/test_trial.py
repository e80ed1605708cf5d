"""A mutant is killed where a test fails, is an error or hangs; and is alive where all pass."""

import sys
from pathlib import Path

import pytest

from tests.mutation.mutant import Mutant, find_mutants
from tests.mutation.place import Place
from tests.mutation.results import Equivalent, Results, read_equivalents, report
from tests.mutation.trial import LEFT_OUT, STAGES, Stage, Verdict, choose_stages, try_mutant

SOURCE = "def area(width, height):\n    return width * height\n"
STRONG = "from small import area\n\ndef test_area():\n    assert area(2, 3) == 6\n"
WEAK = "from small import area\n\ndef test_area():\n    assert area(2, 1) == 2\n"
SPACES = STRONG.replace("def", 'import pytest\n\n@pytest.mark.parametrize("x", ["a - b c"])\ndef').replace("()", "(x)")
HANGS = "import time, small\n\ndef test_area():\n    time.sleep(60 * (small.area(2, 3) != 6))\n"
ENDS = "import os, small\n\ndef test_area():\n    os._exit(3 * (small.area(2, 3) != 6))\n"


def make(folder: Path, *tests: str) -> Place:
    root = folder / "root"
    root.mkdir()
    (root / "small.py").write_text(SOURCE)
    (root / "pytest.ini").write_text("[pytest]\n")
    for number, text in enumerate(tests):
        (root / f"test_{number}.py").write_text(text)
    return Place(root, Path(sys.executable), folder)


@pytest.fixture
def mutant() -> Mutant:
    return next(one for one in find_mutants(SOURCE, "small.py") if one.mutator == "arithmetic")


def test_a_strong_test_kills_and_a_weak_one_does_not(tmp_path: Path, mutant: Mutant) -> None:
    place = make(tmp_path, WEAK, STRONG)
    weak, strong = Stage("own", ("test_0.py",)), Stage("whole", ("test_0.py", "test_1.py"))
    assert try_mutant(mutant, place, [weak]).stage == ""
    verdict = try_mutant(mutant, place, [weak, strong])
    assert (verdict.stage, verdict.by) == ("whole", "test_1.py::test_area")
    (place.root / "test_0.py").write_text(SPACES)
    assert try_mutant(mutant, place, [strong]).by == "test_0.py::test_area[a - b c]"
    # Nothing is left of it.
    assert (place.root / "small.py").read_text() == SOURCE
    assert place.test("test_1.py").passed


@pytest.mark.parametrize(("test", "by"), [(HANGS, "hangs"), (ENDS, "exit 3: []")])
def test_a_test_that_hangs_or_ends_the_process_kills(tmp_path: Path, mutant: Mutant, test: str, by: str) -> None:
    place = make(tmp_path, test)
    with place.applied(mutant):
        outcome = place.test("test_0.py", limit=3)
    assert (outcome.passed, outcome.by) == (False, by)


def test_a_source_that_cannot_be_imported_is_killed(tmp_path: Path) -> None:
    place = make(tmp_path, STRONG)
    broken = Mutant("small.py", 1, "", "", 0, 3, "nothing\ndef", "", "")
    assert try_mutant(broken, place, [Stage("own", ("test_0.py",))]).by == "test_0.py"


def test_tests_that_are_not_there_are_no_verdict(tmp_path: Path, mutant: Mutant) -> None:
    place = make(tmp_path, "")
    with pytest.raises(RuntimeError, match="no tests were found"):
        try_mutant(mutant, place, [Stage("own", ("test_0.py",))])
    assert (place.root / "small.py").read_text() == SOURCE


def test_a_test_that_fails_now_and_then_kills_nothing(tmp_path: Path, mutant: Mutant) -> None:
    once = "from pathlib import Path\n\ndef test_once():\n    seen = Path('seen').exists()\n"
    place = make(tmp_path, once + "    Path('seen').touch()\n    assert seen\n", WEAK)
    assert try_mutant(mutant, place, [Stage("whole", ("test_0.py", "test_1.py"))]).stage == ""
    (place.root / "seen").unlink()
    (place.root / "test_1.py").write_text(STRONG)
    assert try_mutant(mutant, place, [Stage("whole", ("test_0.py", "test_1.py"))]).by == "test_1.py::test_area"


# Which tests.


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for path in (
        "layers/test_dense.py",
        "layers/test_gru.py",
        "framework/core/test_guards.py",
        "testing/test_trial.py",
    ):
        (tmp_path / "tests" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tests" / path).touch()
    (tmp_path / "tests" / "conformance").mkdir()
    return tmp_path


def test_the_tests_of_a_file_come_first(root: Path) -> None:
    stages = choose_stages("layers/dense.py", root, {}, workers=2)
    assert [stage.name for stage in stages] == list(STAGES)
    assert [stage.workers for stage in stages] == [1, 1, 2, 2]
    own, folder, conformance, whole = (stage.options for stage in stages)
    assert own == ("tests/layers/test_dense.py",)
    beside = ("tests/layers/test_dense.py", "tests/layers/test_gru.py")
    assert folder == (*beside, "--ignore=tests/layers/test_dense.py")
    ignored = tuple(f"--ignore={path}" for path in beside)
    assert conformance == ("tests/conformance", *ignored)
    assert whole == ("tests", *LEFT_OUT, *ignored, "--ignore=tests/conformance")


@pytest.mark.parametrize(
    ("file", "own"),
    [
        ("framework/testing/trial.py", "tests/testing/test_trial.py"),
        ("framework/core/inputs.py", "tests/framework/core/test_guards.py"),
    ],
)
def test_the_tests_of_a_file_that_lie_elsewhere(root: Path, file: str, own: str) -> None:
    stages = choose_stages(file, root, {"framework/core/inputs.py": "framework/core/test_guards.py"})
    assert stages[0].options == (own,)
    # There is nothing beside it.
    assert [stage.name for stage in stages] == ["own", "conformance", "whole"]


def test_where_the_tests_are_of_conformance_they_are_run_once(root: Path) -> None:
    for name in ("test_broken.py", "test_layers.py"):
        (root / "tests" / "conformance" / name).touch()
    stages = choose_stages(
        "framework/testing/trial.py", root, {"framework/testing/trial.py": "conformance/test_broken.py"}
    )
    assert [stage.name for stage in stages] == ["own", "folder", "whole"]
    ignored = ("--ignore=tests/conformance/test_broken.py", "--ignore=tests/conformance/test_layers.py")
    assert stages[-1].options == ("tests", *LEFT_OUT, *ignored)


def test_a_file_without_tests_of_its_own_has_those_of_its_folder(root: Path) -> None:
    stages = choose_stages("layers/__init__.py", root, {})
    assert [stage.name for stage in stages] == ["folder", "conformance", "whole"]
    assert stages[0].options == ("tests/layers/test_dense.py", "tests/layers/test_gru.py")


# What is kept.


def test_verdicts_are_read_again_and_the_later_one_holds(tmp_path: Path, mutant: Mutant) -> None:
    results = Results(tmp_path / "runs" / "verdicts.jsonl")
    assert results.verdicts == {}
    results.add(mutant, Verdict("", "", 1.0))
    results.add(mutant, Verdict("own", "test", 2.0))
    results.add_sound("a commit")
    again = Results(results.path)
    assert (again.verdicts, again.sound) == ({mutant.key: Verdict("own", "test", 2.0)}, {"a commit"})


def test_equivalents_stay_out_of_the_score(mutant: Mutant) -> None:
    other = find_mutants("a = b < c", "file.py")
    mutants = [mutant, *other]
    verdicts = {one.key: Verdict("", "", 1) for one in other} | {mutant.key: Verdict("own", "t", 1)}
    page, score = report(mutants, verdicts, [])
    assert score == 1 / 3
    assert "3 mutants, 1 killed, 0 equivalent (0 of them in speed alone), 2 survived: 33.3 %" in page
    assert "file.py:1 in the module (comparison" in page
    listed = [Equivalent("file.py", "", one.before, one.after, "speed", "why") for one in other]
    page, score = report(mutants, verdicts, listed)
    assert score == 1
    assert "3 mutants, 1 killed, 2 equivalent (2 of them in speed alone), 0 survived: 100.0 %" in page
    # They need not be tried.
    assert report(mutants, {mutant.key: verdicts[mutant.key]}, listed)[1] == 1
    assert "2 equivalent" in report(mutants, {}, listed)[0]
    page, _ = report(mutants, {one.key: Verdict("own", "t", 1) for one in mutants}, listed[:1])
    assert f"listed as equivalent, and killed: file.py:1 {other[0].after}" in page


@pytest.mark.parametrize(("kind", "why"), [("same", " "), ("other", "why")])
def test_an_equivalent_needs_a_reason_and_a_kind(tmp_path: Path, kind: str, why: str) -> None:
    names = ("file", "scope", "before", "after")
    entry = "[[mutant]]\n" + "".join(f'{name} = "{name}"\n' for name in names)
    path = tmp_path / "list.toml"
    path.write_text(f'{entry}kind = "same"\nwhy = "why"\n')
    assert read_equivalents(path) == [Equivalent(*names, "same", "why")]
    path.write_text(f'{entry}kind = "{kind}"\nwhy = "{why}"\n')
    with pytest.raises(ValueError, match="needs a reason"):
        read_equivalents(path)


def test_the_list_of_equivalents_is_sound() -> None:
    read_equivalents(Path(__file__).with_name("equivalent.toml"))
