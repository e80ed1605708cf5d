import builtins
import csv
import doctest
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamina.errors import ArgumentError, OutputError, UnknownNameError
from lamina.train import history as module
from lamina.train.history import Best, History

ROWS = [
    {"loss": 0.9, "accuracy": 0.1, "val_loss": 0.8, "val_accuracy": 0.2, "learning_rate": 0.1, "seconds": 1.5},
    {"loss": 0.5, "accuracy": 0.6, "val_loss": 0.4, "val_accuracy": 0.7, "learning_rate": 0.1, "seconds": 1.5},
    {"loss": 0.3, "accuracy": 0.8, "val_loss": 0.6, "val_accuracy": 0.7, "learning_rate": 0.05, "seconds": 1.5},
]
DIRECTIONS = {"loss": False, "accuracy": True, "val_loss": False, "val_accuracy": True}


@pytest.fixture
def history() -> History:
    made = History(DIRECTIONS)
    for row in ROWS:
        made.add(row)
    return made


def test_examples_in_the_docstrings_run() -> None:
    assert doctest.testmod(module).failed == 0


def test_a_history_holds_a_list_for_each_figure(history: History) -> None:
    assert history["val_loss"] == [0.8, 0.4, 0.6]
    assert (len(history), history.epochs) == (3, [1, 2, 3])
    assert list(history) == list(history.keys()) == list(ROWS[0])
    assert dict(history)["accuracy"] == [0.1, 0.6, 0.8]
    assert history.last == ROWS[-1]
    assert ("loss" in history, "val_los" in history) == (True, False)
    assert not history.interrupted
    assert repr(history) == "<History: 3 epochs, loss 0.3, accuracy 0.8, val_loss 0.6, val_accuracy 0.7>"
    history["loss"].append(0.0)
    assert len(history["loss"]) == 3
    with pytest.raises(UnknownNameError, match="unknown figure of the history 'val_los': did you mean 'val_loss'"):
        history["val_los"]


def test_an_empty_history_can_be_used() -> None:
    history = History(DIRECTIONS)
    history.interrupted = True
    assert (len(history), history.epochs, history.last, history.keys()) == (0, [], {}, ())
    assert repr(history) == "<History: 0 epochs, interrupted>"
    with pytest.raises(ArgumentError, match=r"^history: no epoch was completed$"):
        history.best("loss")


def test_the_best_epoch_follows_the_figures_direction(history: History) -> None:
    assert history.best("loss") == Best(3, 0.3)
    assert history.best("val_loss") == (2, 0.4)
    assert history.best("val_accuracy") == (2, 0.7)  # the first of two
    with pytest.raises(UnknownNameError, match="unknown figure of the history 'seconds'"):
        history.best("seconds")


def test_nan_is_never_the_best() -> None:
    history = History({"loss": False})
    history.add({"loss": math.nan})
    with pytest.raises(ArgumentError, match=r"^history: loss is NaN in every epoch$"):
        history.best("loss")
    history.add({"loss": 2.0})
    history.add({"loss": math.nan})
    assert history.best("loss") == (2, 2.0)


def test_epochs_have_the_same_figures(history: History) -> None:
    with pytest.raises(ArgumentError, match=r"history: expected loss, accuracy, .*, got loss$"):
        history.add({"loss": 1.0})
    assert len(history) == 3


def test_arrays_stand_apart(tmp_path: Path) -> None:
    history = History({"loss": False})
    for size in (2, 3):
        history.add({"loss": 1 / size, "confusion_matrix": np.eye(size), "f1_of_each": np.ones(size)})
    assert [array.shape for array in history.arrays["confusion_matrix"]] == [(2, 2), (3, 3)]
    assert list(history.arrays) == ["confusion_matrix", "f1_of_each"]
    assert history.keys() == ("loss",)
    assert history.last == {"loss": 1 / 3}
    assert (len(history), "confusion_matrix" in history) == (2, False)
    assert repr(history) == "<History: 2 epochs, loss 0.3333>"
    history.to_csv(tmp_path / "log.csv")
    assert (tmp_path / "log.csv").read_text() == "epoch,loss\n1,0.5\n2,0.3333333333333333\n"
    with pytest.raises(
        ArgumentError, match=r"^history: f1_of_each is an array in each epoch: see history.arrays\['f1_"
    ):
        history["f1_of_each"]
    with pytest.raises(UnknownNameError, match="unknown figure of the history 'confusion_matrix'"):
        history.best("confusion_matrix")
    with pytest.raises(ArgumentError, match=r"^history: expected loss, confusion_matrix, f1_of_each, got loss$"):
        history.add({"loss": 1.0})
    only = History()
    only.add({"matrix": np.eye(2)})
    with pytest.raises(ArgumentError, match=r"^history: expected matrix, got loss$"):
        only.add({"loss": 1.0})


def test_the_csv_file_keeps_every_digit(tmp_path: Path) -> None:
    history = History()
    history.add({"loss": 1 / 3, "seconds": 1.0})
    history.add({"loss": 1e-17, "seconds": math.nan})
    history.to_csv(tmp_path / "log.csv")
    assert (tmp_path / "log.csv").read_text() == "epoch,loss,seconds\n1,0.3333333333333333,1.0\n2,1e-17,nan\n"
    with pytest.raises(OutputError, match="cannot write"):
        history.to_csv(tmp_path / "missing" / "log.csv")


ODD_NAMES = [
    "top, 5",
    'the "best"',
    "two\nlines",
    "\r",
    "a\r\nb",
    "$x",
    "$x^2$",
    r"\frac{1}{2}$ and $_{",
    "$\\unknown{$",
    "#%&{}~^\\",
    "_hidden",
    " spaced ",
    "'",
    ";\t",
    "naïve 精度",
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_name_can_be_read_back_from_the_csv_file(tmp_path: Path, name: str) -> None:
    history = History({"loss": False, name: True})
    for value in (0.5, 1 / 3):
        history.add({"loss": value, name: value / 7, f"val_{name}": value / 11, "seconds": 1.0})
    history.to_csv(tmp_path / "log.csv")
    with (tmp_path / "log.csv").open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file, strict=True))
    assert [list(row) for row in table] == [["epoch", *history]] * 2
    for key in history:
        assert [float(row[key]) for row in table] == history[key]


def test_pandas_reads_the_csv_file_too(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    history = History()
    history.add({name: index / 3 for index, name in enumerate(ODD_NAMES)})
    history.to_csv(tmp_path / "log.csv")
    wanted = [history[name][0] for name in ODD_NAMES]
    table = pandas.read_csv(tmp_path / "log.csv")
    assert list(table) == ["epoch", *ODD_NAMES]
    assert table.iloc[0, 1:].tolist() == pytest.approx(wanted, rel=1e-14)  # as exact as its parser is
    digits = pandas.read_csv(tmp_path / "log.csv", dtype=str)
    assert list(map(float, digits.iloc[0, 1:])) == wanted


@pytest.mark.parametrize("name", [name for name in ODD_NAMES if name.isascii()])
@pytest.mark.parametrize("suffix", ["png", "svg"])
@pytest.mark.filterwarnings("ignore:Glyph")  # a control character has no picture
def test_any_name_can_be_drawn_and_is_no_formula(tmp_path: Path, name: str, suffix: str) -> None:
    pytest.importorskip("matplotlib.figure")
    history = History({"loss": False, name: True, f"val_{name}": True})
    history.add({"loss": 1.0, name: 0.5, f"val_{name}": 0.25})
    figure = history.plot(tmp_path / f"run.{suffix}")
    label = figure.axes[1].yaxis.label
    assert (label.get_text(), label.get_parse_math()) == (name.replace("_", " "), False)
    assert (tmp_path / f"run.{suffix}").stat().st_size > 1000


def test_the_picture_has_a_panel_for_the_loss_and_for_each_metric(history: History) -> None:
    pytest.importorskip("matplotlib.figure")
    figure = history.plot()
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "accuracy"]
    assert {axes.get_xlabel() for axes in figure.axes} == {"epoch"}
    lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
    assert lines["training"].get_ydata().tolist() == [0.9, 0.5, 0.3]
    assert lines["validation"].get_ydata().tolist() == [0.8, 0.4, 0.6]
    assert lines["validation"].get_xdata().tolist() == [1, 2, 3]
    best = lines["best: 0.4, epoch 2"]
    assert (list(best.get_xdata()), list(best.get_ydata())) == ([2], [0.4])
    assert "best: 0.7, epoch 2" in [text.get_text() for text in figure.axes[1].get_legend().get_texts()]
    # No window, and no state of a display that would need one.
    assert "matplotlib.pyplot" not in sys.modules


def test_the_picture_of_one_epoch_without_validation_marks_the_training_loss() -> None:
    pytest.importorskip("matplotlib.figure")
    history = History({"loss": False})
    history.add({"loss": 0.5})
    (axes,) = history.plot().axes
    assert [line.get_label() for line in axes.get_lines() if line.get_label()[0] != "_"] == [
        "training",
        "best: 0.5, epoch 1",
    ]
    history = History({"loss": False})
    history.add({"loss": math.nan})
    assert len(history.plot().axes) == 1


@pytest.mark.parametrize(("suffix", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_the_picture_is_saved_by_suffix(history: History, tmp_path: Path, suffix: str, start: bytes) -> None:
    pytest.importorskip("matplotlib.figure")
    history.plot(tmp_path / f"run.{suffix}")
    assert (tmp_path / f"run.{suffix}").read_bytes().startswith(start)
    assert [path.name for path in tmp_path.iterdir()] == [f"run.{suffix}"]


def test_a_picture_that_cannot_be_saved_is_refused(history: History, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib.figure")
    with pytest.raises(ArgumentError, match=r"expected a path that ends in \.png, \.svg or \.pdf, got 'run\.gif'"):
        history.plot("run.gif")
    with pytest.raises(OutputError, match="cannot write"):
        history.plot(tmp_path / "missing" / "run.png")
    with pytest.raises(ArgumentError, match=r"^plot: no epoch was completed$"):
        History().plot()


def test_a_missing_matplotlib_says_what_to_install(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    from lamina.errors import MissingPackageError

    real = builtins.__import__

    def without(name: str, *rest: Any, **options: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(f"No module named {name!r}")
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingPackageError, match=r"pip install -e '\.\[plot\]'"):
        history.plot()


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(History) == {"higher_is_better": None, "class_names": None}


def test_a_notebook_shows_the_epochs_the_best_of_them_and_a_picture(history: History, read_page: Any) -> None:
    pytest.importorskip("matplotlib.figure", exc_type=ImportError)
    history.interrupted = True
    page = read_page(history._repr_html_())
    rows = [
        ["1", "0.9000", "0.1000", "0.8000", "0.2000", "0.1", "1.5000"],
        ["2", "0.5000", "0.6000", "0.4000", "0.7000", "0.1", "1.5000"],
        ["3", "0.3000", "0.8000", "0.6000", "0.7000", "0.05", "1.5000"],
    ]
    assert page.tables == [[["epoch", *ROWS[0]], *rows]]
    assert page.texts == ["Best: val_loss 0.4000 in epoch 2, val_accuracy 0.7000 in epoch 2. Interrupted."]
    assert [image["src"][:22] for image in page.images] == ["data:image/png;base64,"]


def test_a_notebook_shows_the_table_alone_without_matplotlib(
    history: History, read_page: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    page = read_page(history._repr_html_())
    assert len(page.tables[0]) == 4 and page.images == []


def test_a_notebook_shows_both_ends_of_a_long_history_and_names_as_they_are(read_page: Any) -> None:
    history = History({"loss": False, "a<b": True})
    assert history._repr_html_() is None
    for epoch in range(500):
        history.add({"loss": 1 / (epoch + 1), "a<b": math.nan})
    page = read_page(history._repr_html_())
    (head, *rows) = page.tables[0]
    assert head == ["epoch", "loss", "a<b"]
    assert [row[0] for row in rows] == [*map(str, range(1, 11)), "480 more", *map(str, range(491, 501))]
    assert page.texts == ["Best: loss 0.0020 in epoch 500."]


def test_a_notebook_shows_the_last_epochs_arrays_with_the_classes_names(read_page: Any) -> None:
    history = History({}, ["no", "yes"])
    for count in (1, 2):
        arrays = {"confusion_matrix": count * np.eye(2, dtype=int), "recall": np.array([1.0, 0.5]) / count}
        history.add({"seconds": 1.0, **arrays})
    page = read_page(history._repr_html_())
    assert page.tables[1:] == [
        [["class", "recall"], ["no", "0.5000"], ["yes", "0.2500"]],
        [["confusion_matrix", "no", "yes"], ["no", "2", "0"], ["yes", "0", "2"]],
    ]
    assert page.texts[0] == "Of the last epoch:" and page.images == []
    validated = History({})
    validated.add({"seconds": 1.0, "f1": np.zeros(2), "val_f1": np.ones(2)})
    assert read_page(validated._repr_html_()).tables[1] == [["class", "val_f1"], ["0", "1.0000"], ["1", "1.0000"]]
