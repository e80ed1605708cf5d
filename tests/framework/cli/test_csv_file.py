"""Files of columns in long form: a line for each step."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamina.cli.csv_file import read_csv
from lamina.cli.data import Part, read
from lamina.errors import DataError, LaminaError, MissingPackageError, UnknownNameError

TEXT = "id,time,a,b,target\nr2,1,1.5,2,yes\nr2,0,0.1,4,yes\nr10,5,7,8,NA\n"


@pytest.fixture(autouse=True)
def pandas(request: pytest.FixtureRequest) -> Any:
    if "without" in request.node.name:
        return None
    return pytest.importorskip("pandas", reason="needs pandas: pip install -e '.[data]'")


def save(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def train_part(path: str, task: str = "classify", **columns: Any) -> tuple[Any, Part]:
    data = read(path, task, columns)
    assert data.train is not None
    return data, data.train


def test_lines_become_rows_in_the_order_of_their_times(tmp_path: Path) -> None:
    data, part = train_part(save(tmp_path / "some.csv", TEXT))
    assert part.x.tolist() == [[[0.1, 4], [1.5, 2]], [[7, 8], [0, 0]]]
    assert part.lengths is not None and part.lengths.tolist() == [2, 1]
    assert part.ids == ("r2", "r10")
    assert data.class_names == ("NA", "yes") and part.y.tolist() == [1, 0]  # NA is a name like any other
    assert data.columns == {"id": "id", "time": "time", "features": ["a", "b"], "target": ["target"]}


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_line_ends_and_byte_order_marks_do_not_matter(tmp_path: Path, line_end: str, start: str) -> None:
    path = tmp_path / "some.csv"
    path.write_bytes((start + TEXT.replace("\n", line_end) + line_end).encode())
    assert train_part(str(path))[1].x[0].tolist() == [[0.1, 4], [1.5, 2]]


def test_columns_are_chosen_by_name(tmp_path: Path) -> None:
    path = save(tmp_path / "some.csv", "who,day,a,b,label\n1,2024-02-02,1,x,3\n1,2024-02-01,2,y,3\n2,2023-01-01,3,,4")
    data, part = train_part(path, id="who", time="day", features=["a"], target=["label"])
    assert part.x[:, :, 0].tolist() == [[2, 1], [3, 0]] and data.class_names == ("3", "4")


def test_tags_are_of_steps(tmp_path: Path) -> None:
    data, part = train_part(save(tmp_path / "a.csv", "id,a,target\n0,1,x\n0,2,y\n1,3,y\n"), "tag")
    assert data.class_names == ("x", "y") and part.y.tolist() == [[0, 1], [1, 0]]
    assert part.valid.tolist() == [[True, True], [True, False]]


def test_numbers_are_of_rows(tmp_path: Path) -> None:
    path = save(tmp_path / "a.csv", "id,a,u,v\n0,1,0.5,2\n0,2,0.5,2\n1,3,-1,4\n")
    data, part = train_part(path, "regress", target=["v", "u"])
    assert data.targets == ("v", "u") and part.y.tolist() == [[2, 0.5], [4, -1]]


def test_a_forecast_reads_its_targets_as_well(tmp_path: Path) -> None:
    path = save(tmp_path / "a.csv", "day,a,b\n1,10,5\n3,30,6\n2,20,7\n")
    data, part = train_part(path, "forecast", time="day", target=["a"])
    assert data.targets == ("a",) and part.x.tolist() == [[[5, 10], [7, 20], [6, 30]]]
    data, part = train_part(path, "forecast", time="day")
    assert data.targets == ("a", "b") and part.x[0, 0].tolist() == [10, 5]


def test_labels_that_no_float_holds_stay_apart(tmp_path: Path) -> None:
    high = [2**64 - 1, 2**64 - 2, 2**53 + 1]
    path = save(tmp_path / "a.csv", "id,a,target\n" + "".join(f"{i},1,{label}\n" for i, label in enumerate(high)))
    assert train_part(path)[0].class_names == tuple(map(str, sorted(high)))


def test_numbers_keep_all_their_digits(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=50)
    path = save(tmp_path / "a.csv", "id,a,target\n" + "".join(f"{i},{one!r},y\n" for i, one in enumerate(x.tolist())))
    assert train_part(path)[1].x[:, 0, 0].tolist() == x.tolist()


def test_targets_may_be_left_out_to_predict(tmp_path: Path) -> None:
    columns = {"id": "id", "time": "time", "features": ["a", "b"], "target": ["target"]}
    for text in (TEXT, TEXT.replace(",yes", ",").replace(",NA", ","), TEXT.replace(",target", ",other")):
        path = save(tmp_path / "some.csv", text)
        found = read_csv(Path(path), path, "classify", columns, needs_target=False).train
        assert found is not None and found.x.shape == (2, 2, 2)


@pytest.mark.parametrize(
    ("text", "task", "columns", "message"),
    [
        ("", "classify", {}, "line 1: expected a name for each column"),
        ("id,,target\n1,2,3\n", "classify", {}, "line 1: expected a name for each column"),
        ("id,a,a,target\n", "classify", {}, "line 1: expected columns of different names, got 'a' twice"),
        ("id,a,target\n", "classify", {}, "holds no line below the header"),
        ("a,target\n1,2\n", "classify", {}, "no column 'id' that says which row a line is of: name it with --id"),
        ("id,a\n1,2\n", "classify", {}, "no column 'target': name it with --target"),
        ("id,target\n1,2\n", "classify", {}, "no column is left for the features"),
        (TEXT, "classify", {"id": "rwo"}, "unknown column in"),
        (TEXT, "classify", {"target": ["targe"]}, "did you mean 'target'?"),
        (TEXT, "classify", {"features": ["a", "c"]}, "unknown column in"),
        (TEXT, "classify", {"features": ["a", "time"]}, "column 'time' is named twice"),
        (TEXT, "tag", {"target": ["a", "b"]}, "expected one target for --task tag, got a, b"),
        (TEXT, "regress", {}, "line 2: expected a number in column 'target', got 'yes'"),
        (TEXT.replace("4", "four"), "classify", {}, "line 3: expected a number in column 'b', got 'four'"),
        (TEXT.replace("4", ""), "classify", {}, "line 3: no value in column 'b'"),
        (TEXT.replace("4", "inf"), "classify", {}, "line 3: expected a finite number in column 'b', got inf"),
        (TEXT.replace("r10", ""), "classify", {}, "line 4: no value in column 'id'"),
        (TEXT.replace("NA", ""), "classify", {}, "line 4: no value in column 'target'"),
        (TEXT.replace("4,yes", "4,no"), "classify", {}, "expected one 'target' for all steps of row 'r2'"),
        (TEXT.replace("r2,0", "r2,1"), "classify", {}, "line 3: the row has a step of time '1' already"),
        (TEXT.replace("r2,0", "r2,soon"), "classify", {}, "line 3: expected numbers, or dates such as 2024-01-31"),
        (TEXT.replace("7,8", "7,8,9"), "classify", {}, "no readable .csv file"),
        (TEXT.replace("7,8,NA", "7"), "classify", {}, "line 4: no value in column 'b'"),
        (TEXT.replace("r2,1", "\nr2,1").replace("4", "x"), "classify", {}, "line 4: expected a number in column 'b'"),
    ],
)
def test_what_does_not_fit_is_named_with_its_line(
    tmp_path: Path, text: str, task: str, columns: Any, message: str
) -> None:
    path = save(tmp_path / "a.csv", text)
    with pytest.raises(LaminaError) as caught:
        read(path, task, columns)
    told = str(caught.value)
    assert message in told and repr(path) in told and "\n" not in told


def test_what_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such file"):
        read(str(tmp_path / "none.csv"))
    (tmp_path / "a.csv").write_bytes(b"id,a,target\n\xff\xfe,1,2\n")
    with pytest.raises(DataError, match=r"no readable \.csv file"):
        read(str(tmp_path / "a.csv"))


def test_columns_are_of_csv_files_alone(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((2, 1, 1)), y=[0, 1])
    for source in (str(tmp_path / "a.npz"), "digits"):
        with pytest.raises(LaminaError, match=r"expected a \.csv file to name columns of"):
            read(source, columns={"id": "a"})
    assert issubclass(UnknownNameError, LaminaError)


def test_without_pandas_it_is_said_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(MissingPackageError, match=r"pandas is not installed.*pip install -e '\.\[data\]'"):
        read(save(tmp_path / "a.csv", TEXT))


def test_columns_of_another_file_are_named_again(run: Any, make_rows: Any) -> None:
    rows = make_rows(30)
    np.savez("rows.npz", **rows)
    assert run("train", "rows.npz", "--units", 4, "--epochs", 1, "--out", "o").code == 0
    with open("rows.csv", "w") as stream:
        print("who,u,v,class", file=stream)
        for index, (row, label, length) in enumerate(zip(rows["x"], rows["y"], rows["lengths"], strict=True)):
            for u, v in row[:length].tolist():
                print(index, u, v, label, sep=",", file=stream)
    words = ("--id", "who", "--target", "class")
    refused = run("evaluate", "o/model.safetensors", "rows.csv")
    assert refused.code == 2 and "name it with --id" in refused.err
    found = run("evaluate", "o/model.safetensors", "rows.csv", *words)
    assert found.code == 0 and "rows.csv, all rows: 30 rows, 3 to 6 steps" in found.out
    for name, more in (("rows.npz", ()), ("rows.csv", words)):
        assert run("predict", "o/model.safetensors", name, *more, "--out", f"{name}.out.csv").code == 0
    assert Path("rows.npz.out.csv").read_bytes() == Path("rows.csv.out.csv").read_bytes()
