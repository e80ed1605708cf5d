"""Files of the UEA archive's format: read as they stand, or refused with the line."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamina.cli.data import read
from lamina.cli.ts_file import read_ts
from lamina.errors import DataError

HEADER = """\
# a comment
@problemName Some
@timeStamps false
@univariate false
@dimensions 2
@equalLength false
@classLabel true 7 10

@data
"""
ROWS = "1,2,3:4,5,6:10\n# another\n-1e1,0.5:2,3:7\n"


def save(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_rows_are_read_as_they_stand(tmp_path: Path) -> None:
    data = read(save(tmp_path / "Some.ts", HEADER + ROWS))
    assert (data.name, data.class_names, data.numbered) == ("Some", ("7", "10"), True)
    assert data.train is not None and data.train.lengths is not None
    assert data.train.x.tolist() == [[[1, 4], [2, 5], [3, 6]], [[-10, 2], [0.5, 3], [0, 0]]]
    assert data.train.lengths.tolist() == [3, 2] and data.train.y.tolist() == [1, 0]


def test_targets_may_be_numbers(tmp_path: Path) -> None:
    text = "@problemName A\n@targetLabel true\n@data\n1,2:0.25\n3,4:-1\n"
    data = read(save(tmp_path / "a.ts", text), "regress")
    assert data.train is not None and data.train.y.tolist() == [[0.25], [-1.0]] and data.train.lengths is None


def test_the_series_alone_need_no_label(tmp_path: Path) -> None:
    path = tmp_path / "a.ts"
    bare = "@univariate true\n@classLabel false\n@data\n1,2\n3,4\n"
    found = read_ts(Path(save(path, bare)), "a.ts", "forecast").train
    assert found is not None and found.y is None and found.x.tolist() == [[[1], [2]], [[3], [4]]]
    labelled = read_ts(Path(save(path, HEADER + ROWS)), "a.ts", "forecast").train
    assert labelled is not None and labelled.y is None and labelled.x.shape == (2, 3, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no @data line"),
        ("@problemName A\n1,2:a\n", "line 2: expected an @ line of the header such as @data, got '1,2:a'"),
        ("@problemNam A\n@data\n", "line 1: expected an @ line of the header"),
        ("@univariate true\n@univariate true\n@data\n", "line 2: @univariate stands twice"),
        ("@univariate maybe\n@data\n1\n", "line 1: expected @univariate true or false, got 'maybe'"),
        ("@dimensions two\n@data\n1\n", "line 1: expected @dimensions and a whole number above 0, got 'two'"),
        ("@classLabel a b\n@data\n1\n", "line 1: expected @classLabel true and the labels, or false, got 'a b'"),
        ("@timeStamps true\n@data\n1\n", "line 1: expected values without time stamps"),
        (HEADER, "holds no row after @data"),
        (HEADER + "1,2:3,4:8\n", "line 10: expected a label of @classLabel, got '8'"),
        (HEADER + ROWS + "1,2:3:7\n", "line 13: expected dimensions of as many steps, got 2 and, in dimension 1, 1"),
        (HEADER + ROWS + "1,2:7\n", "line 13: expected 2 dimensions, got 1"),
        (HEADER + "1,?:3,4:7\n", "line 10: expected numbers between commas, got '?'"),
        (HEADER + "1,:3,4:7\n", "line 10: expected numbers between commas, got ''"),
        (HEADER + "1,nan:3,4:7\n", "line 10: expected finite numbers, got 'nan'"),
        (HEADER + "7\n", "line 10: expected dimensions between colons, and the label last"),
        ("@targetLabel true\n@data\n1:2\n", "holds numbers as targets of rows, which --task classify cannot use"),
        ("@equalLength true\n@seriesLength 3\n@data\n1,2\n", "line 4: expected 3 steps, as @seriesLength says, got 2"),
        ("@univariate true\n@data\n1,2\n", "labels: expected targets, got none"),
    ],
)
def test_what_does_not_fit_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = save(tmp_path / "a.ts", text)
    with pytest.raises(DataError) as caught:
        read(path)
    told = str(caught.value)
    assert message in told and repr(path) in told and "\n" not in told


@pytest.mark.parametrize("task", ["tag", "regress"])
def test_a_file_of_classes_is_for_no_other_task(tmp_path: Path, task: str) -> None:
    with pytest.raises(DataError, match=f"holds class labels of rows, which --task {task} cannot use"):
        read(save(tmp_path / "a.ts", HEADER + ROWS), task)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_what_cannot_be_read_is_one_line(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "a.ts"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"there is no such file|no readable \.ts file"):
        read(str(path))


def test_numbers_keep_all_their_digits(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=5)
    data = read(save(tmp_path / "a.ts", f"@classLabel true a b\n@data\n{','.join(map(repr, x.tolist()))}:a\n"))
    assert data.train is not None and data.train.x[0, :, 0].tolist() == x.tolist()
