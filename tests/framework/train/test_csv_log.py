"""The log of epochs: whole at every moment, and gone on with."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.callbacks import Callback, CSVLog
from lamina.errors import CheckpointError
from lamina.layers import Dense, SimpleRNN

X = np.random.default_rng(0).normal(size=(12, 4, 2))
Y = np.arange(12) % 3


def make_model() -> lamina.Sequential:
    return lamina.Sequential(SimpleRNN(4), Dense(3))


def fit(callback: Callback, **options: Any) -> tuple[lamina.Trainer, lamina.History]:
    trainer = lamina.Trainer(make_model(), optimizer="sgd", callbacks=callback)
    return trainer, trainer.fit(X, Y, verbose=False, **options)


def csv_rows(path: Path) -> list[dict[str, str]]:
    names, *rows = [line.split(",") for line in path.read_text().splitlines()]
    return [dict(zip(names, row, strict=True)) for row in rows]


def test_a_log_goes_on_with_a_second_fit(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    path.write_text("of an earlier run of the program\n")
    trainer, first = fit(CSVLog(path), epochs=2)
    second = trainer.fit(X, Y, epochs=3, verbose=False)
    rows = csv_rows(path)
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert [float(row["loss"]) for row in rows] == first["loss"] + second["loss"]
    # Other figures, and another trainer: nothing is lost.
    other = lamina.Trainer(make_model(), optimizer="sgd", callbacks=trainer.callbacks)
    third = other.fit(X, Y, epochs=1, validation_data=(X, Y), verbose=False)
    rows = csv_rows(path)
    assert [row["val_loss"] for row in rows] == [""] * 5 + [repr(third["val_loss"][0])]
    assert rows[5]["epoch"] == "6"


def test_a_log_can_begin_anew_with_each_fit(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    trainer, _ = fit(CSVLog(path, resume=False), epochs=2)
    second = trainer.fit(X, Y, epochs=3, verbose=False)
    assert [(row["epoch"], float(row["loss"])) for row in csv_rows(path)] == [
        (str(epoch), second["loss"][epoch - 1]) for epoch in (1, 2, 3)
    ]


@pytest.mark.parametrize("name", ["top, 5", 'a "share"', "two\nlines", "$x_1$"])
def test_a_log_can_be_read_back_whatever_its_figures_are_called(name: str, tmp_path: Path) -> None:
    log = CSVLog(tmp_path / "log.csv")
    log.on_epoch_end(None, 1, {"loss": 0.5, name: 0.25})
    log.on_epoch_end(None, 2, {"loss": 0.125})
    with open(tmp_path / "log.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows == [["epoch", "loss", name], ["1", "0.5", "0.25"], ["2", "0.125", ""]]


def test_a_log_goes_on_from_a_state_with_its_empty_cells(tmp_path: Path) -> None:
    log = CSVLog(tmp_path / "log.csv")
    assert CSVLog(tmp_path / "none.csv").state_dict()["rows"].shape == (0, 0)
    for values in ({"loss": 0.1 + 0.2, "kappa": float("nan")}, {"loss": float("inf"), "val_loss": 3.0}):
        log.on_epoch_end(None, 1, values)
    other = CSVLog(tmp_path / "other.csv")
    other.load_state_dict(log.state_dict())
    for one in (log, other):
        one.on_epoch_end(None, 3, {"loss": 1.0})
    assert (tmp_path / "log.csv").read_text() == (tmp_path / "other.csv").read_text()
    for state in (
        {},
        {"names": ["a"], "rows": 3, "has": 3},
        {"names": ["a"], "rows": np.ones((1, 2)), "has": np.ones(1)},
    ):
        with pytest.raises(CheckpointError, match="state does not fit CSVLog"):
            other.load_state_dict(state)


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(CSVLog) == {"resume": True}
