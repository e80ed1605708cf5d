"""The log of JSON lines: what it says, and that it is gone on with."""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.callbacks import Callback, JSONLinesLog
from lamina.errors import OutputError
from lamina.layers import Dense, SimpleRNN
from lamina.testing.ending import EndAfter, Ended

X = np.random.default_rng(0).normal(size=(12, 4, 2))
Y = np.arange(12) % 3


def make(*callbacks: Callback, metrics: Any = ()) -> lamina.Trainer:
    model = lamina.Sequential(SimpleRNN(4), Dense(3))
    return lamina.Trainer(model, optimizer="sgd", metrics=metrics, callbacks=callbacks)


def fit(trainer: lamina.Trainer, **options: Any) -> lamina.History:
    return trainer.fit(X, Y, batch_size=6, verbose=False, **options)


def refuse(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line, parse_constant=refuse) for line in path.read_text().splitlines()]


def test_each_epoch_is_a_line_over_all_runs(tmp_path: Path) -> None:
    path = tmp_path / "made" / "log.jsonl"
    path.parent.mkdir()
    path.write_text("of an earlier run of the program\n" * 9)
    trainer = make(JSONLinesLog(path), metrics=["accuracy", "confusion_matrix"])
    first, second = fit(trainer, epochs=2), fit(trainer, epochs=1)
    rows = []
    for history in (first, second):
        for index in range(len(history)):
            matrix = history.arrays["confusion_matrix"][index].tolist()
            figures = {name: history[name][index] for name in history}
            rows.append({"epoch": len(rows) + 1, **figures, "confusion_matrix": matrix})
    assert read(path) == rows


def test_what_is_no_number_is_null(tmp_path: Path) -> None:
    trainer = make()
    fit(trainer, epochs=1)
    log = JSONLinesLog(tmp_path / "log.jsonl")
    trainer.history.arrays["of_each"] = [np.array([0.5, np.nan])]
    log.on_epoch_end(trainer, 1, {"loss": float("nan"), "other": float("-inf"), "plain": np.float32(0.5)})
    (line,) = read(tmp_path / "log.jsonl")
    assert line == {"epoch": 1, "loss": None, "other": None, "plain": 0.5, "of_each": [0.5, None]}


@pytest.mark.parametrize("left", range(1, 7))
@pytest.mark.parametrize("every", [1, "1 epoch", "2 epochs"])
def test_a_run_that_is_resumed_comes_to_the_same_lines(left: int, every: Any, tmp_path: Path) -> None:
    whole, path, checkpoint = tmp_path / "whole.jsonl", tmp_path / "log.jsonl", tmp_path / "run"
    fit(make(JSONLinesLog(whole), EndAfter()), epochs=3)
    ending = EndAfter()
    ending.left = left
    with suppress(Ended):
        fit(make(JSONLinesLog(path), ending), epochs=3, checkpoint=checkpoint, every=every)
    with open(path, "a") as file:
        file.write('{"epoch": 9, "half a li')  # where a program was killed
    fit(make(JSONLinesLog(path), EndAfter()), epochs=3, checkpoint=checkpoint, every=every)
    lines = [[{**row, "seconds": 0} for row in read(one)] for one in (whole, path)]
    assert lines[0] == lines[1]


def test_a_file_that_was_taken_away_is_begun_again(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    trainer = make(JSONLinesLog(path))
    fit(trainer, epochs=2)
    path.unlink()
    fit(trainer, epochs=2)
    assert [row["epoch"] for row in read(path)] == [3, 4]


def test_a_file_that_cannot_be_written_is_found_before_training(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="it is a folder"):
        fit(make(JSONLinesLog(tmp_path)), epochs=1)
    log = JSONLinesLog(tmp_path / "gone" / "log.jsonl")
    trainer = make(log)
    fit(trainer, epochs=1)
    os.remove(log.path)
    log.path.parent.rmdir()
    with pytest.raises(OutputError, match=r"^cannot write '.*log.jsonl': No such file"):
        log.on_epoch_end(trainer, 1, {"loss": 0.5})
