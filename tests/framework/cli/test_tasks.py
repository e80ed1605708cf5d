"""The four tasks, on real data: what they print, keep, and tell again of the file that they were trained from."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import datasets
from lamina.cli.tasks import find_task
from lamina.cli.train import TASKS
from lamina.errors import ArgumentError, UnknownNameError


@pytest.fixture(autouse=True)
def pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the time of drawing."""
    monkeypatch.setattr("lamina.train.history.History.plot", lambda history, path: path.write_bytes(b"picture"))


def write_ts(path: Path, x: Any, y: Any, lengths: Any) -> None:
    header = f"@problemName A\n@timeStamps false\n@dimensions {x.shape[2]}\n@equalLength false\n@classLabel true\n@data"
    with path.open("w") as stream:
        print(header, file=stream)
        for row, label, length in zip(x, y, lengths, strict=True):
            dimensions = [",".join(map(repr, one.tolist())) for one in row[:length].T]
            print(*dimensions, label + 1, sep=":", file=stream)


def digits_in_a_row(seed: int, rows: int, test: bool) -> tuple[Any, Any, Any]:
    """Return images of three to six digits one after another, and which digit each line of pixels is of."""
    data, rng = datasets.digits("float64"), np.random.default_rng(seed)
    x, y = (data.x_test, data.y_test) if test else (data.x_train, data.y_train)
    chosen = [rng.integers(len(x), size=rng.integers(3, 7)) for _ in range(rows)]
    images, lengths = lamina.pad([x[index].reshape(-1, 8) for index in chosen])
    return images, lamina.pad([np.repeat(y[index], 8) for index in chosen])[0], lengths


def sunspot_years(path: Path) -> np.ndarray[Any, Any]:
    """Write 22 years a row, and what the next one is, as columns; return those numbers."""
    series = datasets.sunspots("float64")
    years, values = series.years.tolist(), series.values.round(1).tolist()
    with path.open("w") as stream:
        print("until,step,spots,next", file=stream)
        for end in range(22, len(years)):
            for step in range(22):
                print(years[end - 1], step, values[end - 22 + step], values[end], sep=",", file=stream)
    return np.array(values[22:])


def test_classes_of_japanese_vowels_from_the_archives_files(run: Any) -> None:
    data = datasets.japanese_vowels("float64")
    write_ts(Path("JV_TRAIN.ts"), data.x_train, data.y_train, data.lengths_train)
    write_ts(Path("JV_TEST.ts"), data.x_test, data.y_test, data.lengths_test)
    found = run("train", "JV_TRAIN.ts", "--test", "JV_TEST.ts", "--epochs", 10, "--out", "ts")
    assert (found.code, found.err) == (0, "")
    # The same bits as from the set that ships.
    shipped = run("train", "japanese-vowels", "--epochs", 10, "--out", "shipped")
    assert found.out.splitlines()[-1] == shipped.out.splitlines()[-1]
    one, other = (lamina.load(f"{name}/model.safetensors").state_dict() for name in ("ts", "shipped"))
    assert all(np.array_equal(one[name], other[name]) for name in other)
    right = float(found.out.splitlines()[-1].split()[2])
    assert right > 94
    evaluated = run("evaluate", "ts/model.safetensors", "JV_TRAIN.ts", "--test", "JV_TEST.ts")
    assert evaluated.out.splitlines()[-1] == found.out.splitlines()[-1].removeprefix("test ")
    assert run("predict", "ts/model.safetensors", "JV_TEST.ts", "--out", "out.npz", "--no-probabilities").code == 0
    with np.load("out.npz") as stored:
        assert sorted(stored) == ["class_names", "labels"]
        assert 100 * (stored["labels"] == data.y_test).mean() == pytest.approx(right, abs=0.05)


def test_tags_of_digits_in_a_row(run: Any) -> None:
    x, y, lengths = digits_in_a_row(0, 300, False)
    x_test, y_test, lengths_test = digits_in_a_row(1, 60, True)
    test = {"x_test": x_test, "y_test": y_test, "lengths_test": lengths_test}
    np.savez("digits.npz", x=x, y=y, lengths=lengths, **test)
    words = ("--task", "tag", "--cell", "gru", "--units", 48, "--bidirectional", "--epochs", 20, "--out", "o")
    words += ("--optimizer", "adam", "--learning-rate", 0.01)
    found = run("train", "digits.npz", *words)
    assert (found.code, found.err) == (0, "")
    assert "data         digits.npz: 8 features, 10 classes of steps" in found.out
    total = int(lengths_test.sum())
    line = found.out.splitlines()[-1]
    assert line.startswith("test accuracy ") and line.endswith(f" of {total} steps)")
    # Independently: the valid steps alone, by the model itself.
    model = lamina.load("o/model.safetensors")
    valid = np.arange(x_test.shape[1]) < lengths_test[:, None]
    predicted = model(x_test, lengths=lengths_test).argmax(axis=-1)
    right = int((predicted == y_test)[valid].sum())
    assert f"({right} of {total} steps)" in line and right / total > 0.7  # chance is 0.1
    assert run("evaluate", "o/model.safetensors", "digits.npz").out.splitlines()[-1] == line.removeprefix("test ")

    assert run("predict", "o/model.safetensors", "digits.npz", "--part", "test", "--out", "o.csv").code == 0
    table = list(csv.reader(Path("o.csv").read_text().splitlines()))
    assert table[0] == ["row", "step", "label"] and len(table) == 1 + total
    assert [int(label) for _, _, label in table[1:]] == predicted[valid].tolist()
    assert run("predict", "o/model.safetensors", "digits.npz", "--out", "o.npz", "--probabilities").code == 0
    with np.load("o.npz") as stored:
        shares = stored["probabilities"]
        assert shares.shape == (300, x.shape[1], 10) and np.allclose(shares.sum(axis=-1), 1, atol=1e-5)
        assert stored["lengths"].tolist() == lengths.tolist()


def test_numbers_of_sunspots_from_columns(run: Any) -> None:
    pytest.importorskip("pandas", reason="needs pandas: pip install -e '.[data]'")
    values = sunspot_years(Path("years.csv"))
    columns = ("--id", "until", "--time", "step", "--target", "next")
    found = run("train", "years.csv", "--task", "regress", *columns, "--epochs", 30, "--out", "o")
    assert (found.code, found.err) == (0, "")
    line = found.out.splitlines()[-1]
    words = line.split()
    assert words[:4] == ["test", "mean", "absolute", "error"] and "of always the mean of the training rows" in line
    error, naive = float(words[4]), float(words[5].removeprefix("("))
    assert error < 0.5 * naive
    # The file that it was trained from, with and without its targets, tells the same, in units.
    assert run("predict", "o/model.safetensors", "years.csv", "--out", "out.csv").code == 0
    lines = Path("years.csv").read_text().splitlines()
    Path("bare.csv").write_text("\n".join(one.rpartition(",")[0] for one in lines))
    assert run("predict", "o/model.safetensors", "bare.csv", "--out", "bare-out.csv").code == 0
    assert Path("out.csv").read_bytes() == Path("bare-out.csv").read_bytes()
    table = list(csv.reader(Path("out.csv").read_text().splitlines()))
    assert table[0] == ["row", "next"] and table[1][0] == "1721" and len(table) == 1 + len(values)
    told = np.array([float(row[1]) for row in table[1:]])
    assert abs(told.mean() - values.mean()) < 10 and np.corrcoef(told, values)[0, 1] > 0.9
    assert run("evaluate", "o/model.safetensors", "years.csv").out.splitlines()[-1] == line.removeprefix("test ")
    refused = run("predict", "o/model.safetensors", "years.csv", "--out", "p.csv", "--probabilities")
    assert refused.code == 2 and "expected a model of classes, got one that is to regress" in refused.err


def test_a_forecast_of_sunspots_beats_both_naive_ones(run: Any) -> None:
    words = ("--task", "forecast", "--horizon", 11, "--season", 11, "--out", "o")
    found = run("train", "sunspots", *words)
    assert (found.code, found.err) == (0, "")
    table = {line[:16].strip(): line[16:].split() for line in found.out.splitlines()[-9:-5]}
    values = datasets.sunspots("float64").values
    # The naive errors by hand: forecasts from the end of each year, of years of the last fifth alone.
    first = len(values) - round(0.2 * len(values))
    origins = range(first, len(values) - 10)
    true = np.array([values[origin : origin + 11] for origin in origins])
    last = np.array([values[origin - 1].repeat(11) for origin in origins])
    season = np.array([values[origin - 11 : origin] for origin in origins])
    for name, naive in (("last value", last), ("a season ago", season)):
        expected = np.abs(naive - true).mean(axis=0)
        assert [float(one) for one in table[name][:-1]] == pytest.approx(expected.tolist(), rel=1e-3)
    error = float(table["model"][-1])
    assert error < float(table["a season ago"][-1]) < float(table["last value"][-1])
    line = found.out.splitlines()[-1]
    assert line.startswith(f"test mean absolute error {error:.4g} (last value ")
    assert run("evaluate", "o/model.safetensors", "sunspots").out.splitlines()[-1] == line.removeprefix("test ")

    assert run("predict", "o/model.safetensors", "sunspots", "--out", "next.csv").code == 0
    rows = list(csv.reader(Path("next.csv").read_text().splitlines()))
    assert rows[0] == ["row", "step", "sunspots"] and [row[1] for row in rows[1:]] == [str(i) for i in range(1, 12)]
    model = lamina.load("o/model.safetensors")
    expected = model(values[None, -22:, None]).ravel()
    assert np.allclose([float(row[2]) for row in rows[1:]], expected, rtol=1e-5)


def test_a_season_longer_than_the_horizon_and_shorter(run: Any) -> None:
    """A series that repeats itself is forecast without an error by what was a season ago."""
    series = np.tile([1.0, 5.0, 2.0], 40)
    np.savez("s.npz", x=series)
    for horizon in (1, 2, 3, 7):
        words = ("--task", "forecast", "--horizon", horizon, "--season", 3, "--epochs", 1, "--out", "o")
        found = run("train", "s.npz", *words)
        assert found.code == 0 and found.out.splitlines()[-1].endswith("a season ago 0)")


def test_several_series_and_targets(run: Any) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 60, 2)).cumsum(axis=1) + np.array([100, -5])
    np.savez("s.npz", x=x, lengths=[60, 50, 55])
    found = run("train", "s.npz", "--task", "forecast", "--horizon", 2, "--window", 6, "--validation", 0.2)
    assert found.code == 0, found.err
    # Of 60 steps 12 are to test on, of the 48 before them 10 to validate: 48 - 10 - 6 - 2 + 1 windows to train on.
    assert "to train on     " + str(31 + 25 + 28) + " rows, 6 steps" in found.out
    assert "to validate on  " + str(9 + 7 + 8) + " rows" in found.out
    assert "to test on      " + str(11 + 9 + 10) + " rows" in found.out
    told = run("predict", "runs/s/model.safetensors", "s.npz", "--out", "o.npz")
    assert (told.code, told.out) == (0, "wrote o.npz: 3 series, 2 steps ahead, x0, x1\n")
    with np.load("o.npz") as stored:
        assert stored["predictions"].shape == (3, 2, 2)
        assert np.abs(stored["predictions"][:, 0] - x[np.arange(3), [59, 49, 54]]).max() < 10


def test_the_scale_of_targets_does_not_matter(run: Any, make_rows: Any) -> None:
    rows = make_rows(60)
    y = np.nan_to_num(rows["x"]).mean(axis=(1, 2))
    told = {}
    for scale, shift in ((1.0, 0.0), (1e4, -3e6)):
        target = np.stack([y * scale + shift, y], axis=1)
        np.savez("a.npz", x=rows["x"], lengths=rows["lengths"], y=target)
        assert run("train", "a.npz", "--task", "regress", "--dtype", "float64", "--epochs", 5).code == 0
        assert run("predict", "runs/a/model.safetensors", "a.npz", "--out", "o.npz").code == 0
        with np.load("o.npz") as stored:
            told[scale] = (stored["predictions"] - [shift, 0]) / [scale, 1]
    assert np.allclose(told[1.0], told[1e4], rtol=1e-6)


def test_tasks_are_found_by_name() -> None:
    assert [find_task(name, {}).name for name in TASKS] == list(TASKS)
    with pytest.raises(UnknownNameError, match="did you mean 'forecast'"):
        find_task("forcast", {})
    with pytest.raises(ArgumentError, match="--horizon: expected --task forecast beside it, got tag"):
        find_task("tag", {"horizon": 3})


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("digits", "--horizon", 3), "--horizon: expected --task forecast beside it, got classify"),
        (("digits", "--patience", 3), "--patience: expected --validation beside it, a share such as 0.2"),
        (("digits", "--task", "tag"), "expected a .npz file, a .csv or a .ts file, got 'digits'"),
        (("digits", "--task", "forecast"), "unknown series 'digits'"),
        (("sunspots",), "unknown data set 'sunspots'"),
        (("digits", "--test", "a.npz"), "--test 'a.npz': expected a .npz, .csv or .ts file beside it, got 'digits'"),
        (("short.npz", "--task", "forecast"), "'short.npz': series '1' has 12 steps, too few for a window of 10"),
        (("short.npz", "--task", "forecast", "--season", 7, "--window", 6), "--window: expected a season of 7 steps"),
        (("short.npz", "--task", "forecast", "--test", "short.npz"), "--test 'short.npz': a forecast is tested on"),
        (("one.npz", "--task", "regress"), "too few rows to hold some out to test on: there is one"),
    ],
)
def test_what_cannot_work_is_one_line(run: Any, words: Any, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez("short.npz", x=np.zeros((2, 20, 1)), lengths=[20, 12])
    np.savez("one.npz", x=np.zeros((1, 2, 1)), y=[0.5])
    monkeypatch.setattr("lamina.train.trainer.Trainer.fit", None)
    result = run("train", *words)
    assert result.code == 2 and not result.out
    assert result.err.startswith(f"lamina: error: {message}") and result.err.count("\n") == 1


def test_a_model_of_another_shape_is_refused(run: Any, make_rows: Any) -> None:
    np.savez("a.npz", **make_rows(12))
    model: Any = lamina.Sequential(lamina.layers.SimpleRNN(2), lamina.layers.Dense(3))
    model.build((None, None, 2))
    for facts, message in (
        ({"name": "tag"}, "expected a model from (batch, time, features) to (batch, time, classes)"),
        ({"name": "sing"}, "unknown task 'sing'"),
        ({"name": "forecast", "window": 4, "horizon": 2}, "to (batch, horizon, targets)"),
    ):
        model.facts["task"] = facts
        model.save("m.safetensors")
        result = run("predict", "m.safetensors", "a.npz", "--out", "o.csv")
        assert result.code == 2 and message in result.err and result.err.count("\n") == 1
