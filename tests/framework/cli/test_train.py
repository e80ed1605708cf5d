import csv
import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import recipes
from lamina.callbacks import Callback
from lamina.cli import training_job
from lamina.cli.data import hold_out, read
from lamina.errors import ArgumentError, MissingPackageError, UnknownNameError
from lamina.optimizers import SGD, AdaGrad, Schedule

QUICK = ("--units", 8, "--epochs", 5)
FILES = ["history.csv", "history.png", "model.safetensors"]


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    def plot(history: Any, path: Any = None) -> None:
        raise MissingPackageError("plot: matplotlib is not installed; pip install -e '.[plot]' (no module)")

    monkeypatch.setattr("lamina.train.history.History.plot", plot)


@pytest.fixture
def pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the time of drawing."""

    def plot(history: Any, path: Path) -> None:
        if not len(history):
            raise ArgumentError("plot: no epoch was completed")
        path.write_bytes(b"picture")

    monkeypatch.setattr("lamina.train.history.History.plot", plot)


@pytest.mark.usefixtures("pictures")
def test_training_prints_what_it_does_and_writes_the_results(run: Any, file: Path, tmp_path: Path) -> None:
    result = run("train", "rows.npz", *QUICK)
    assert result.code == 0 and not result.err
    lines = result.out.splitlines()
    assert lines[0] == "data         rows.npz: 2 features, 3 classes"
    assert lines[1].startswith("to train on  48 rows, 3 to 6 steps")
    assert lines[2] == "to test on   12 rows, 3 to 6 steps, a fifth of each class, drawn with seed 0"
    assert lines[3] == "backend      numpy, float32"
    assert any("SimpleRNN" in line and "simple_rnn (numpy)" in line for line in lines)
    assert sum(line.startswith("epoch ") for line in lines) == 5
    assert lines[-10].startswith("confusion matrix") and lines[-9].split() == ["0", "1", "2"]
    written = [f"wrote {Path('runs/rows') / name}" for name in ("model.safetensors", "history.csv", "history.png")]
    assert lines[-5:-1] == ["", *written]
    assert re.fullmatch(r"test accuracy \d+\.\d % \(\d+ of 12\)", lines[-1])
    assert sorted(path.name for path in (tmp_path / "runs" / "rows").iterdir()) == FILES


@pytest.mark.usefixtures("pictures")
def test_the_history_has_a_line_for_each_epoch(run: Any, file: Path, tmp_path: Path) -> None:
    run("train", file, "--optimizer", "sgd", "--learning-rate", 0.08, "--units", 8, "--epochs", 4, "--out", "o")
    with (tmp_path / "o" / "history.csv").open() as stream:
        table = list(csv.DictReader(stream))
    assert list(table[0]) == ["epoch", "loss", "accuracy", "learning_rate", "seconds"]
    assert [row["epoch"] for row in table] == ["1", "2", "3", "4"]
    assert [float(row["learning_rate"]) for row in table] == pytest.approx([0.08, 0.06, 0.04, 0.02])
    assert float(table[-1]["loss"]) < float(table[0]["loss"])


@pytest.mark.usefixtures("pictures")
@pytest.mark.parametrize(
    ("dtype", "words"),
    [
        ("float32", ()),
        ("float64", ()),
        ("float64", ("--cell", "gru", "--bidirectional")),
        ("float32", ("--cell", "lstm", "--layers", 2, "--dropout", 0.1)),
    ],
)
def test_the_saved_model_takes_raw_features(run: Any, file: Path, tmp_path: Path, dtype: str, words: Any) -> None:
    result = run("train", file, *QUICK, "--seed", 3, "--dtype", dtype, *words)
    model = lamina.load(tmp_path / "runs" / "rows" / "model.safetensors")
    data = read(str(file))
    assert data.train is not None
    training, test = hold_out(data.train, seed=3)
    x = np.nan_to_num(test.x)
    right = int((model(x, lengths=test.lengths).argmax(axis=-1) == test.y).sum())
    assert result.out.splitlines()[-1] == f"test accuracy {100 * right / 12:.1f} % ({right} of 12)"
    assert right > 7  # chance is 4

    assert model.dtype == dtype
    facts = json.loads(json.dumps(model.facts))
    assert facts["class_names"] == ["0", "1", "2"]
    assert facts["test"] == {"rows": 12, "accuracy": right / 12}
    assert facts["training"]["seed"] == 3 and facts["training"]["epochs"] == 5
    assert training.lengths is not None
    valid = training.x[np.arange(6) < training.lengths[:, None]]
    assert facts["preprocessing"]["feature_mean"] == pytest.approx(valid.mean(axis=0))
    assert facts["preprocessing"]["feature_scale"] == pytest.approx(valid.std(axis=0))


@pytest.mark.usefixtures("pictures")
def test_the_test_part_has_no_say_in_training(run: Any, make_rows: Any, tmp_path: Path) -> None:
    rows, other = make_rows(30), make_rows(30, seed=1)
    for name, x_test in (("one", rows["x"]), ("two", other["x"] + 50)):
        test = {"x_test": x_test, "y_test": rows["y"], "lengths_test": np.full(30, 3)}
        np.savez(tmp_path / f"{name}.npz", **rows, **test)
        assert run("train", f"{name}.npz", *QUICK).code == 0
    one, two = (lamina.load(tmp_path / "runs" / name / "model.safetensors").state_dict() for name in ("one", "two"))
    assert all(np.array_equal(one[name], two[name]) for name in one)


@pytest.mark.usefixtures("pictures")
def test_the_same_seed_gives_the_same_model(run: Any, file: Path, tmp_path: Path) -> None:
    for out, seed in (("a", 0), ("b", 0), ("c", 1)):
        assert run("train", file, *QUICK, "--seed", seed, "--out", out).code == 0
    a, b, c = (lamina.load(tmp_path / out / "model.safetensors") for out in "abc")
    first, again, other = (model.state_dict() for model in (a, b, c))
    assert a.facts == b.facts
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["1.w_h"], other["1.w_h"])


@pytest.mark.usefixtures("pictures")
@pytest.mark.parametrize("words", [("--backend", "reference"), ("--optimizer", "AdaGrad"), ("--cell", "simple_rnn")])
def test_parts_are_exchanged_by_name(run: Any, file: Path, words: Any) -> None:
    result = run("train", file, *QUICK, *words)
    assert result.code == 0 and f"{words[1]}" in result.out.lower() + result.out


@pytest.mark.usefixtures("pictures")
@pytest.mark.parametrize("cell", recipes.CELLS)
def test_cells_are_stacked(run: Any, file: Path, cell: str) -> None:
    words = ("--cell", cell, "--layers", 2, "--bidirectional", "--dropout", 0.2)
    assert run("train", file, *QUICK, *words).code == 0
    model: Any = lamina.load("runs/rows/model.safetensors")
    assert [type(layer).__name__ for layer in model] == ["Standardize"] + ["Bidirectional", "Dropout"] * 2 + ["Dense"]
    assert [model[index].layer.return_sequences for index in (1, 3)] == [True, False]
    assert type(model[1].layer) is recipes.CELLS[cell] and model[5].input_shapes == ((None, 16),)


@pytest.mark.usefixtures("pictures")
@pytest.mark.parametrize("name", sorted({*lamina.Optimizer.registry.names()} - {"LBFGS", "Lookahead"}))
def test_every_optimizer_can_be_named(run: Any, file: Path, name: str) -> None:
    result = run("train", file, "--units", 8, "--epochs", 1, "--optimizer", name.lower())
    assert result.code == 0 and f"\noptimizer    {name}(" in result.out


@pytest.mark.parametrize("name", ["lbfgs", "lookahead"])
def test_an_optimizer_that_needs_more_than_batches_is_none_of_the_names(run: Any, file: Path, name: str) -> None:
    result = run("train", file, "--optimizer", name)
    assert result.code == 2 and result.err.startswith(f"lamina: error: unknown optimizer {name!r}")
    known = result.err.partition("Known: ")[2].lower()
    assert "adamw" in known and name not in known


@pytest.mark.usefixtures("pictures")
@pytest.mark.parametrize(
    ("name", "rates"),
    [
        ("linear_decay", [0.09, 0.06, 0.03]),
        ("cosine-decay", [0.09, 0.0675, 0.0225]),
        ("exponential_decay", [0.09, 0.09 * 0.01 ** (1 / 3), 0.09 * 0.01 ** (2 / 3)]),
        ("StepDecay", [0.09, 0.009, 0.0009]),
        ("one_cycle", [0.09, 0.0450001800, 3.6e-7]),
        ("constant", [0.09, 0.09, 0.09]),
    ],
)
def test_schedules_end_with_the_last_epoch(run: Any, file: Path, name: str, rates: list[float]) -> None:
    words = ("--units", 8, "--epochs", 3, "--learning-rate", 0.09, "--schedule", name)
    assert run("train", file, *words).code == 0
    with open("runs/rows/history.csv") as stream:
        found = [float(row["learning_rate"]) for row in csv.DictReader(stream)]
    assert found == pytest.approx(rates)


@pytest.mark.parametrize("name", recipes.SCHEDULES)
@pytest.mark.parametrize("epochs", [1, 2, 50])
def test_schedules_have_a_rate_for_any_number_of_epochs(name: str, epochs: int) -> None:
    schedule: Any = recipes.find_schedule(name, epochs)
    if isinstance(schedule, Schedule):
        assert all(schedule.rate(epoch, 0.1) > 0 for epoch in range(epochs))


@pytest.mark.usefixtures("pictures")
def test_the_environment_chooses_the_backend(run: Any, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMINA_BACKEND", "reference")
    assert "backend      reference, float32" in run("train", file, *QUICK).out


@pytest.mark.usefixtures("pictures")
def test_labels_may_be_names(run: Any, make_rows: Any, tmp_path: Path) -> None:
    rows = make_rows()
    rows["y"] = np.array(["red", "green", "blue!"])[rows["y"]]
    np.savez(tmp_path / "colours.npz", **rows)
    result = run("train", "colours.npz", *QUICK)
    assert "  1 blue!" in result.out and "  3 red" in result.out
    assert lamina.load("runs/colours/model.safetensors").facts["class_names"] == ["blue!", "green", "red"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("japanese-vowel",), "unknown data set 'japanese-vowel': did you mean 'japanese-vowels'?"),
        (("none.npz",), "'none.npz': there is no such file"),
        (("rows.npz", "--cell", "simple_rn"), "unknown cell 'simple_rn': did you mean 'simple_rnn'?"),
        (("rows.npz", "--optimizer", "adagradd"), "unknown optimizer 'adagradd': did you mean 'AdaGrad'?"),
        (("rows.npz", "--schedule", "linear"), "unknown schedule 'linear': did you mean 'linear_decay'?"),
        (("rows.npz", "--backend", "nunpy"), "unknown backend 'nunpy': did you mean 'numpy'?"),
        (("rows.npz", "--dtype", "float16"), "dtype: expected 'float32' or 'float64', got 'float16'"),
        (("one_class.npz",), "'one_class.npz': expected at least two classes, got only '7'"),
        (("huge.npz",), "'huge.npz': holds 1e+300, too large for float32"),
        (("test_only.npz",), "'test_only.npz': there is no training part"),
        (("rows.npz", "--out", "taken"), "cannot write"),
        (("rows.npz", "--out", "rows.npz"), "cannot write"),
    ],
)
def test_what_cannot_work_is_refused_before_training(
    run: Any, file: Path, tmp_path: Path, words: Any, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = np.zeros((4, 2, 1)), np.array([0, 1, 0, 1])
    np.savez(tmp_path / "one_class.npz", x=x, y=np.full(4, 7))
    np.savez(tmp_path / "huge.npz", x=x + 1e300, y=y)
    np.savez(tmp_path / "test_only.npz", x_test=x, y_test=y)
    (tmp_path / "taken" / "history.png").mkdir(parents=True)
    monkeypatch.setattr("lamina.train.trainer.Trainer.fit", None)
    result = run("train", *words)
    assert result.code == 2 and not result.out
    assert result.err.startswith(f"lamina: error: {message}") and result.err.count("\n") == 1


def test_a_missing_gpu_is_one_line(run: Any, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cupy", None)
    monkeypatch.setattr("lamina.backends.registry._instances", {})
    result = run("train", file, "--backend", "cupy")
    assert result.code == 2 and not result.out
    assert result.err.startswith("lamina: error: backend 'cupy': CuPy is not installed") and result.err.count("\n") == 1


@pytest.mark.usefixtures("no_pictures")
def test_without_matplotlib_an_old_picture_goes(run: Any, file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for name in FILES:
        (out / name).write_text("old")
    result = run("train", file, *QUICK, "--out", out)
    assert result.code == 0
    assert result.out.splitlines()[-2] == (
        "no history.png: matplotlib is not installed; pip install -e '.[plot]' (no module)"
    )
    assert sorted(path.name for path in out.iterdir()) == ["history.csv", "model.safetensors"]
    assert (out / "history.csv").read_text().startswith("epoch,")
    lamina.load(out / "model.safetensors")


def test_a_picture_is_drawn(run: Any, file: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib.figure", exc_type=ImportError)
    assert run("train", file, *QUICK).code == 0
    assert (tmp_path / "runs" / "rows" / "history.png").read_bytes().startswith(b"\x89PNG")


class _CtrlC(Callback):
    """Presses Ctrl-C in an epoch."""

    epoch = 3

    def on_epoch_begin(self, trainer: Any, epoch: int) -> None:
        if epoch == self.epoch:
            signal.raise_signal(signal.SIGINT)


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Ctrl-C as a shell's foreground job has it: one in the background is born ignoring it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("pictures", "ctrl_c")
@pytest.mark.parametrize("epoch", [1, 3])
def test_interrupted_training_keeps_what_it_has(
    run: Any, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epoch: int
) -> None:
    monkeypatch.setattr(training_job, "_StopWhereDiverged", _CtrlC)
    monkeypatch.setattr(_CtrlC, "epoch", epoch)
    result = run("train", file, *QUICK)
    assert result.code == 1
    assert f"interrupted after {epoch - 1} of 5 epochs" in result.out + result.err
    assert result.out.splitlines()[-1].startswith("test accuracy")
    out = tmp_path / "runs" / "rows"
    assert len((out / "history.csv").read_text().splitlines()) == epoch
    model = lamina.load(out / "model.safetensors")
    assert model.facts["training"]["epochs"] == epoch - 1
    assert (out / "history.png").exists() == (epoch > 1)


def test_ctrl_c_while_writing_is_one_line(run: Any, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lamina.core.layer.Layer.save", interrupt)
    result = run("train", file, *QUICK)
    assert (result.code, result.err) == (1, "lamina: interrupted\n")


def test_diverged_training_says_so_and_replaces_nothing(run: Any, file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "model.safetensors").write_text("old")
    result = run("train", file, *QUICK, "--optimizer", "sgd", "--learning-rate", "1e38", "--out", out)
    assert result.code == 1
    assert re.fullmatch(
        r"lamina: training diverged after [12] of 5 epochs, so nothing was written: "
        r"try a --learning-rate below 1e[+]38\n",
        result.err,
    )
    assert [path.read_text() for path in out.iterdir()] == ["old"]


def test_recipes_find_parts_by_name() -> None:
    parameters = lamina.layers.Dense(2)
    parameters.build((None, 3))
    sgd = recipes.find_recipe("sgd", None).make(parameters.parameters())
    assert isinstance(sgd, SGD) and sgd.lr == recipes.rates()["sgd"]
    adagrad = recipes.find_recipe("adagrad", 0.5).make(parameters.parameters())
    assert isinstance(adagrad, AdaGrad) and adagrad.lr == 0.5
    with pytest.raises(UnknownNameError):
        recipes.find_cell("lstm?")


def test_an_optimizer_without_a_recipe_keeps_its_own_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lamina.recipes.optimizers._RECIPES", {})
    layer = lamina.layers.Dense(2)
    layer.build((None, 3))
    assert repr(recipes.find_recipe("sgd", None).make(layer.parameters())) == "SGD()"
    assert repr(recipes.find_recipe("sgd", 0.2).make(layer.parameters())) == "SGD(lr=0.2)"
