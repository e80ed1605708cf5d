"""Validation, patience and seeds; and what is left of a training that ends otherwise than it should."""

import csv
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.cli.data import hold_out, read

QUICK = ("--units", 8, "--epochs", 5)


@pytest.fixture(autouse=True)
def pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the time of drawing."""
    monkeypatch.setattr("lamina.train.history.History.plot", lambda history, path: path.write_bytes(b"picture"))


def history() -> list[dict[str, str]]:
    with open("runs/rows/history.csv") as stream:
        return list(csv.DictReader(stream))


def test_a_share_of_each_class_validates(run: Any, file: Path) -> None:
    result = run("train", "rows.npz", *QUICK, "--validation", 0.25)
    assert result.code == 0
    lines = result.out.splitlines()
    assert lines[1].startswith("to train on     36 rows") and lines[2].startswith("to validate on  12 rows")
    assert lines[3].startswith("to test on      12 rows")
    # Its figures are those of rows that neither train nor test: measured again, after the last epoch.
    data = read("rows.npz")
    assert data.train is not None
    training, test = hold_out(data.train, 0)
    _, held = hold_out(training, 0, 0.25)
    assert np.bincount(held.y).tolist() == [4, 4, 4]
    assert not {one.tobytes() for one in held.x} & {one.tobytes() for one in test.x}
    model = lamina.load("runs/rows/model.safetensors")
    figures = lamina.Trainer(model, metrics="accuracy").evaluate(held.x, held.y, lengths=held.lengths)
    assert figures["accuracy"] == pytest.approx(float(history()[-1]["val_accuracy"]))
    assert model.facts["data"]["rows_to_validate_on"] == 12


def test_patience_ends_training_with_the_best_weights(run: Any, file: Path) -> None:
    words = ("--units", 8, "--epochs", 200, "--validation", 0.2, "--patience", 2, "--schedule", "constant")
    result = run("train", "rows.npz", *words)
    assert result.code == 0 and "stopped: no better val_loss for 2 epochs" in result.out + result.err
    losses = [float(row["val_loss"]) for row in history()]
    assert len(losses) < 200 and int(np.argmin(losses)) == len(losses) - 3
    facts = lamina.load("runs/rows/model.safetensors").facts["training"]
    assert facts["restored_epoch"] == len(losses) - 2


@pytest.mark.parametrize("validation", [0.0, 0.3])
def test_seeds_are_told_one_by_one_and_together(run: Any, file: Path, validation: float) -> None:
    single = []
    for seed in (3, 4, 5):
        # The held out rows are those of --seed; the seeds here differ in them, so only the first is the same.
        single.append(run("train", "rows.npz", *QUICK, "--seed", seed, "--validation", validation).out.splitlines()[-1])
    result = run("train", "rows.npz", *QUICK, "--seed", 3, "--seeds", 3, "--validation", validation)
    assert result.code == 0
    found = dict(re.findall(r"^seed (\d): test accuracy .*\((\d+) of 12\)$", result.out, re.MULTILINE))
    assert list(found) == ["3", "4", "5"] and f"({found['3']} of 12)" in single[0]
    shares = np.array([int(right) for right in found.values()]) / 12
    last = result.out.splitlines()[-1]
    expected = f"{100 * shares.mean():.1f} % +- {100 * shares.std(ddof=1):.1f} (mean and deviation)"
    assert last == f"test accuracy of 3 seeds {expected}"
    kept = int(re.findall(r"^seed (\d), which is kept", result.out, re.MULTILINE)[0])
    assert lamina.load("runs/rows/model.safetensors").facts["training"]["seed"] == kept
    if not validation:
        assert kept == 3
        return
    ends = [float(loss) for loss in re.findall(r"epoch 5/5 .* val_loss ([0-9.]+)", result.out)]
    assert len(ends) == 3 and kept == 3 + int(np.argmin(ends))


def test_a_second_file_tests(run: Any, make_rows: Any) -> None:
    np.savez("rows.npz", **make_rows(30))
    np.savez("other.npz", **make_rows(9, seed=4))
    result = run("train", "rows.npz", *QUICK, "--test", "other.npz")
    assert result.code == 0 and "to test on   9 rows, 3 to 6 steps\n" in result.out
    evaluated = run("evaluate", "runs/rows/model.safetensors", "rows.npz", "--test", "other.npz")
    assert evaluated.out.splitlines()[-1] == result.out.splitlines()[-1].removeprefix("test ")
    np.savez("wide.npz", x=np.zeros((3, 2, 5)), y=[0, 1, 2])
    result = run("train", "rows.npz", "--test", "wide.npz")
    assert result.code == 2 and "'wide.npz': x and x_test have 2 and 5 features" in result.err
    np.savez("strange.npz", x=np.zeros((1, 2, 2)), y=[7])
    result = run("train", "rows.npz", "--test", "strange.npz")
    assert result.code == 2 and "label 7 of row 0 occurs in no row to train on" in result.err


@pytest.mark.parametrize("name", ["model.safetensors", "history.csv"])
def test_a_full_disk_still_prints_the_accuracy(
    run: Any, file: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    replace = os.replace

    def fail(source: Any, target: Any) -> None:
        if str(target).endswith(name):
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr("os.replace", fail)
    result = run("train", "rows.npz", *QUICK)
    assert result.code == 2
    path = Path("runs/rows").resolve() / name
    assert result.err in (
        f"lamina: error: cannot write 'runs/rows/{name}': No space left on device\n",
        f"lamina: error: cannot write '{path}': No space left on device\n",
    )
    assert re.fullmatch(r"test accuracy \d+\.\d % \(\d+ of 12\)", result.out.splitlines()[-1])
    assert "confusion matrix" in result.out


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_an_output_that_is_full_is_one_line(tmp_path: Path, file: Path) -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "lamina", "info"]
        found = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    assert (found.returncode, found.stderr) == (
        2,
        "lamina: error: cannot write the output: no space left on the device\n",
    )


@pytest.mark.skipif(os.name == "nt", reason="a signal ends a process at once on Windows")
@pytest.mark.parametrize("ignored", [False, True], ids=["in front", "in the background, which ignores Ctrl-C"])
def test_sigterm_ends_like_ctrl_c(tmp_path: Path, file: Path, ignored: bool) -> None:
    command = [sys.executable, "-u", "-m", "lamina", "train", "rows.npz", "--units", "8", "--epochs", "1000000"]
    ignore: Any = (lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)) if ignored else None
    lines = []
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=ignore
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if re.match(r"epoch +3/", line):
                process.send_signal(signal.SIGTERM)
        # Its end closes the pipe.
    assert process.wait(60) == 1
    assert any(re.match(r"interrupted after \d+ of 1000000 epochs", line) for line in lines)
    assert lines[-1].startswith("test accuracy")
    assert lamina.load(tmp_path / "runs" / "rows" / "model.safetensors").facts["training"]["epochs"] >= 3


def test_what_handles_sigterm_already_is_left(run: Any, file: Path) -> None:
    def own(number: int, frame: Any) -> None:
        pass

    before = signal.signal(signal.SIGTERM, own)
    try:
        assert run("train", "rows.npz", *QUICK).code == 0
        assert signal.getsignal(signal.SIGTERM) is own
    finally:
        signal.signal(signal.SIGTERM, before)
    assert run("info").code == 0
    assert signal.getsignal(signal.SIGTERM) is before
