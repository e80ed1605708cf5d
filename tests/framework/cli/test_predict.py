import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.cli.predictions import softmax
from lamina.layers import Dense, SimpleRNN


@pytest.fixture
def new(run: Any, make_rows: Any) -> dict[str, Any]:
    """Write new.npz and model.safetensors, and return what belongs in the output."""
    rows = make_rows(7, seed=9)
    np.savez("new.npz", x=rows["x"], lengths=rows["lengths"])
    model: Any = lamina.Sequential(SimpleRNN(4), Dense(3))
    model.build((None, None, 2), seed=1)
    model.facts["class_names"] = ["a,b", 'say "c"', "d"]
    model.save("model.safetensors")
    logits = model(np.nan_to_num(rows["x"]), lengths=rows["lengths"])
    exponential = np.exp(logits - logits.max(axis=1, keepdims=True))
    return {"logits": logits, "probabilities": exponential / exponential.sum(axis=1, keepdims=True)}


def test_a_csv_file_has_a_line_for_each_row(run: Any, new: dict[str, Any]) -> None:
    result = run("predict", "model.safetensors", "new.npz", "--out", "folder/out.csv")
    assert result == (0, "wrote folder/out.csv: 7 rows, 3 classes\n", "")
    content = Path("folder/out.csv").read_bytes()
    assert content.startswith(b'row,label,"a,b","say ""c""",d\n0,') and content.count(b"\n") == 8
    table = list(csv.reader(content.decode().splitlines()))[1:]
    assert [row[0] for row in table] == [str(number) for number in range(7)]
    names = np.array(["a,b", 'say "c"', "d"])
    assert [row[1] for row in table] == names[new["logits"].argmax(axis=1)].tolist()
    # Every digit is there: the text reads back as the same numbers.
    assert np.array_equal(np.array([row[2:] for row in table], dtype=np.float32), new["probabilities"])


def test_the_content_of_a_csv_file_is_exact(run: Any) -> None:
    model: Any = lamina.Sequential(SimpleRNN(2, w_x_initializer="zeros"), Dense(2, b_initializer="zeros"))
    model.build((None, None, 1), dtype="float64")
    model.save("even.safetensors")
    np.savez("new.npz", x=np.ones((2, 3, 1), int))
    assert run("predict", "even.safetensors", "new.npz", "--out", "out.CSV").code == 0
    assert Path("out.CSV").read_bytes() == b"row,label,0,1\n0,0,0.5,0.5\n1,0,0.5,0.5\n"


def test_an_npz_file_holds_arrays(run: Any, new: dict[str, Any]) -> None:
    assert run("predict", "model.safetensors", "new.npz", "--out", "out.npz").code == 0
    with np.load("out.npz") as stored:
        found = dict(stored)
    assert sorted(found) == ["class_names", "labels", "logits", "probabilities"]
    assert np.array_equal(found["logits"], new["logits"])
    assert np.array_equal(found["probabilities"], new["probabilities"])
    assert found["probabilities"].dtype == np.float32
    assert np.array_equal(found["labels"], new["logits"].argmax(axis=1))
    assert found["class_names"].tolist() == ["a,b", 'say "c"', "d"]


def test_without_lengths_all_steps_count(run: Any, new: dict[str, Any]) -> None:
    x = np.random.default_rng(0).normal(size=(300, 4, 2))
    np.savez("full.npz", x=x)
    assert run("predict", "model.safetensors", "full.npz", "--out", "out.npz").code == 0
    with np.load("out.npz") as stored:
        assert np.allclose(stored["logits"], lamina.load("model.safetensors")(x), atol=1e-6)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("new.npz", "--out", "out.txt"), "expected an --out that ends in .csv or .npz, got 'out.txt'"),
        (("new.npz", "--out", "new.npz"), "--out 'new.npz' would replace what is read"),
        (("new.npz", "--out", "new.npz/out.csv"), "cannot write"),
        (("none.npz", "--out", "out.csv"), "'none.npz': there is no such file"),
        (("empty.npz", "--out", "out.csv"), "'empty.npz': holds no array 'x'; there are y"),
        (("flat.npz", "--out", "out.csv"), "'flat.npz': x: expected (batch, time, features)"),
        (("nan.npz", "--out", "out.csv"), "'nan.npz': x: expected finite numbers"),
        (("test.npz", "--out", "out.csv"), "unknown array in 'test.npz': 'x_tset'"),
        (("wide.npz", "--out", "out.csv"), "'wide.npz': expected 2 features, as the model takes, got 3"),
        (("huge.npz", "--out", "out.csv"), "'huge.npz': holds 1e+300, too large for float32"),
    ],
)
def test_what_cannot_work_is_one_line(run: Any, new: dict[str, Any], words: Any, message: str) -> None:
    np.savez("empty.npz", y=[1])
    np.savez("flat.npz", x=np.ones((2, 2)))
    np.savez("nan.npz", x=np.full((1, 1, 2), np.nan))
    np.savez("test.npz", x_tset=np.ones((1, 1, 2)))
    np.savez("wide.npz", x=np.ones((1, 1, 3)))
    np.savez("huge.npz", x=np.full((1, 1, 2), 1e300))
    result = run("predict", "model.safetensors", *words)
    assert (result.code, result.out) == (2, "")
    assert message in result.err and result.err.startswith("lamina: error: ") and result.err.count("\n") == 1
    assert not Path("out.csv").exists()


def test_a_failed_write_leaves_the_old_file(run: Any, new: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    Path("out.csv").write_text("old")
    monkeypatch.setattr("os.replace", fail)
    result = run("predict", "model.safetensors", "new.npz", "--out", "out.csv")
    assert result == (2, "", "lamina: error: cannot write 'out.csv': No space left on device\n")
    assert Path("out.csv").read_text() == "old"


def test_softmax_does_not_overflow() -> None:
    assert softmax(np.array([[1000.0, 1000.0], [-1000.0, 0.0]])).tolist() == [[0.5, 0.5], [0.0, 1.0]]


@pytest.mark.parametrize("word", ["predict", "evaluate"])
@pytest.mark.parametrize(
    ("value", "spoken"), [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")], ids=["nan", "inf", "-inf"]
)
@pytest.mark.parametrize("name", ["1.b", "0.w_x"])
def test_a_broken_model_ends_badly_and_writes_nothing(
    run: Any, new: dict[str, Any], make_rows: Any, word: str, value: float, spoken: str, name: str
) -> None:
    model: Any = lamina.load("model.safetensors")
    (parameter,) = [one for one in model.parameters() if one.name == name]
    weights = parameter.numpy().copy()
    weights.flat[-1] = value
    parameter.data = weights
    model.save("broken.safetensors")
    rows = make_rows(7, seed=9)
    np.savez("rows.npz", **rows)
    words = ("new.npz", "--out", "out.csv") if word == "predict" else ("rows.npz",)
    saturated = name == "0.w_x" and np.isinf(value)  # tanh of an infinity is a number, and so are the logits
    result = run(word, "broken.safetensors", *words)
    if saturated:
        assert result.code == 0
        return
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"lamina: error: '{words[0]}': the model's output is ")
    assert result.err.endswith(f": its parameter '{name}' holds {spoken}\n")
    assert result.err.count("\n") == 1
    assert not Path("out.csv").exists()


def test_an_output_that_overflows_ends_badly_too(run: Any, new: dict[str, Any]) -> None:
    model: Any = lamina.load("model.safetensors")
    head = model[1]
    head.w.data, head.b.data = np.full(head.w.shape, 3e38, "float32"), np.full(head.b.shape, 3e38, "float32")
    model.save("large.safetensors")
    result = run("predict", "large.safetensors", "new.npz", "--out", "out.npz")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("lamina: error: 'new.npz': the model's output is infinity at row ")
    assert "parameter" not in result.err and not Path("out.npz").exists()


@pytest.mark.parametrize("nested", [False, True])
def test_a_model_that_ends_in_a_softmax_gives_its_own_probabilities(run: Any, make_rows: Any, nested: bool) -> None:
    end: Any = lamina.Sequential(Dense(3), lamina.layers.Softmax()) if nested else lamina.layers.Softmax()
    model: Any = lamina.Sequential(SimpleRNN(4), end) if nested else lamina.Sequential(SimpleRNN(4), Dense(3), end)
    model.build((None, None, 2), seed=1)
    model.save("model.safetensors")
    rows = make_rows(7, seed=9)
    np.savez("new.npz", x=rows["x"], lengths=rows["lengths"])
    np.savez("rows.npz", **rows)
    probabilities = model(np.nan_to_num(rows["x"]), lengths=rows["lengths"])
    assert run("predict", "model.safetensors", "new.npz", "--out", "out.npz").code == 0
    with np.load("out.npz") as stored:
        assert np.allclose(stored["probabilities"], probabilities, rtol=1e-5, atol=0)
        assert np.array_equal(stored["labels"], probabilities.argmax(axis=1))
    lines = run("evaluate", "model.safetensors", "rows.npz").out.splitlines()
    expected = -np.log(probabilities[np.arange(7), rows["y"]]).mean()
    assert float(lines[-2].removeprefix("loss ")) == pytest.approx(expected, abs=1e-4)
