import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.cli.data import hold_out, read
from lamina.layers import Dense, SimpleRNN


def saved(path: Path, features: int = 2, classes: int = 3, **options: Any) -> Path:
    model: Any = lamina.Sequential(SimpleRNN(4, **options), Dense(classes))
    model.build((None, None, features), seed=0)
    model.save(path)
    return path


def test_the_rows_held_out_in_training_are_found_again(run: Any, trained: Path) -> None:
    weights = trained / "runs" / "rows" / "model.safetensors"
    model = lamina.load(weights)
    copied = Path("another name.npz").absolute()
    for source in (trained / "rows.npz", copied):
        copied.write_bytes((trained / "rows.npz").read_bytes())
        result = run("evaluate", weights, source)
        assert result.code == 0 and not result.err
        assert f"{source}, test: 12 rows" in result.out
    right = round(12 * model.facts["test"]["accuracy"])
    assert result.out.splitlines()[-1] == f"accuracy {100 * right / 12:.1f} % ({right} of 12)"

    data = read(str(copied))
    assert data.train is not None
    for name, part in zip(("train", "test"), hold_out(data.train, seed=0), strict=True):
        figures = lamina.Trainer(model, metrics="accuracy").evaluate(part.x, part.y, lengths=part.lengths)
        lines = run("evaluate", weights, copied, "--part", name).out.splitlines()
        assert lines[-2] == f"loss {figures['loss']:.4f}"
        assert lines[-1].startswith(f"accuracy {100 * figures['accuracy']:.1f} % (")
        assert any(line.startswith("confusion matrix") for line in lines)


def test_all_rows_of_another_file_are_evaluated(run: Any, trained: Path, make_rows: Any) -> None:
    weights = trained / "runs" / "rows" / "model.safetensors"
    np.savez("new.npz", **make_rows(9, seed=5))
    result = run("evaluate", weights, "new.npz")
    assert "new.npz, all rows: 9 rows" in result.out and result.out.rstrip().endswith("of 9)")
    result = run("evaluate", weights, "new.npz", "--part", "train")
    assert (result.code, result.out) == (2, "")
    assert result.err == ("lamina: error: 'new.npz': not the file that the model was trained on: leave out --part\n")


@pytest.mark.parametrize("word", ["evaluate", "predict"])
def test_backend_and_dtype_can_be_chosen(run: Any, trained: Path, word: str, make_rows: Any) -> None:
    np.savez("new.npz", **make_rows(9, seed=5))
    words = (word, trained / "runs" / "rows" / "model.safetensors", "new.npz")
    out = ("--out", "out.csv") if word == "predict" else ()
    result = run(*words, *out, "--backend", "reference", "--dtype", "float64")
    assert result.code == 0
    assert word == "predict" or "backend  reference, float64" in result.out
    assert run(*words, *out, "--backend", "nunpy").err.startswith("lamina: error: unknown backend 'nunpy': did you")
    assert run(*words, *out, "--dtype", "int8").code == 2


def test_both_parts_of_a_data_set(run: Any) -> None:
    saved(Path("model.safetensors"), 8, 10)
    for part, rows in (("train", 1437), ("test", 360)):
        result = run("evaluate", "model.safetensors", "digits", "--part", part)
        assert result.code == 0
        assert f"digits, {part}: {rows} rows, 8 steps" in result.out
        assert re.search(rf"accuracy \d+\.\d % \(\d+ of {rows}\)\n$", result.out)


def test_classes_are_matched_by_name(run: Any, trained: Path, make_rows: Any, tmp_path: Path) -> None:
    rows = make_rows()
    rows["y"] = np.array(["red", "green", "blue"])[rows["y"]]
    np.savez("colours.npz", **rows)
    assert run("train", "colours.npz", "--units", 8, "--epochs", 5).code == 0
    weights = "runs/colours/model.safetensors"
    expected = run("evaluate", weights, "colours.npz", "--part", "train").out.splitlines()[-1]
    # The same rows by other means: only two of the classes; named positions in another order; mere numbers.
    data = read("colours.npz")
    assert data.train is not None
    train, _ = hold_out(data.train, seed=0)
    kept = {"x": train.x, "lengths": train.lengths}
    np.savez("named.npz", **kept, y=2 - train.y, class_names=data.class_names[::-1])
    np.savez("numbered.npz", **kept, y=train.y)
    assert data.class_names == ("blue", "green", "red")
    for name in ("named", "numbered"):
        assert run("evaluate", weights, f"{name}.npz").out.splitlines()[-1] == expected
    few = train.rows(np.flatnonzero(train.y > 0))
    np.savez("few.npz", x=few.x, lengths=few.lengths, y=np.array(data.class_names)[few.y])
    result = run("evaluate", weights, "few.npz")
    assert result.code == 0 and "  1 blue    .   .   .\n" in result.out

    np.savez("strange.npz", **kept, y=np.where(train.y == 1, "grey", "red"))
    result = run("evaluate", weights, "strange.npz")
    assert (result.code, result.out) == (2, "")
    assert result.err == ("lamina: error: 'strange.npz': the model knows no class 'grey'; it knows blue, green, red\n")
    np.savez("many.npz", **kept, y=train.y + 1)
    assert run("evaluate", weights, "many.npz").err.endswith("knows no class '3'; it knows blue, green, red\n")


def test_a_model_without_names_knows_classes_by_number(run: Any, make_rows: Any) -> None:
    saved(Path("model.safetensors"))
    rows = make_rows(12)
    np.savez("numbers.npz", **rows)
    named = dict(rows, class_names=["a", "b", "c"])
    np.savez("names.npz", **named)
    lines = [run("evaluate", "model.safetensors", f"{name}.npz").out.splitlines()[-1] for name in ("numbers", "names")]
    assert lines[0] == lines[1]
    np.savez("gaps.npz", **dict(rows, y=rows["y"] * 2))
    assert "knows no class '4'; it knows 0, 1, 2" in run("evaluate", "model.safetensors", "gaps.npz").err


@pytest.mark.parametrize("word", ["evaluate", "predict"])
def test_models_that_cannot_be_used_are_one_line(run: Any, make_rows: Any, word: str) -> None:
    np.savez("rows.npz", **make_rows(9))
    Path("text.safetensors").write_text("no weights")
    saved(Path("tags.safetensors"), return_sequences=True)
    saved(Path("wide.safetensors"), features=5)
    dense: Any = Dense(3)
    dense.build((None, 2))
    dense.save("flat.safetensors")
    words = ("--out", "out.csv") if word == "predict" else ()
    for name, message in (
        ("none", "there is no such file"),
        ("text", "no readable safetensors file"),
        ("tags", "expected a model from (batch, time, features) to (batch, classes)"),
        ("flat", "expected a model from (batch, time, features) to (batch, classes)"),
        ("wide", "'rows.npz': expected 5 features"),
    ):
        result = run(word, f"{name}.safetensors", "rows.npz", *words)
        assert (result.code, result.out) == (2, ""), name
        assert message in result.err and result.err.count("\n") == 1
    assert not Path("out.csv").exists()
