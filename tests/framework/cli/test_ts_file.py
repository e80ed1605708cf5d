"""Files of the UEA archive's format: read as they stand, or refused with the line."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamina.cli.data import read
from lamina.cli.ts_file import read_ts
from lamina.errors import DataError, LaminaError

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


ROW = "@classLabel true a b\n@data\n1,2:{}\n"
JUNK: dict[str, bytes] = {
    "binary": bytes(range(256)) * 40,
    "NUL bytes": b"\0" * 1000,
    "UTF-16": (HEADER + ROWS).encode("utf-16"),
    "UTF-32": (HEADER + ROWS).encode("utf-32"),
    "Latin-1": (HEADER + ROWS).replace("Some", "größe").encode("latin-1"),
    "a surrogate": b"@data\n\xed\xa0\x80\n",
    "a line of no end": b"@data\n" + b"x" * 10**7,
    "a header of no end": b"@" + b"x" * 10**7,
    "colons": b"@data\n" + b":" * 10**5,
    "commas": b"@data\n" + b"," * 10**5,
    "an infinity": b"@data\n1,1e400\n",
    "four hundred digits": b"@data\n1,1" + b"0" * 400 + b"\n",
    "five thousand digits": b"@data\n1," + b"9" * 5000 + b"\n",
    "digits of another script": "@data\n1,١٢\n".encode(),
    "an underscore": b"@data\n1,1_000\n",
    "a hexadecimal": b"@data\n1,0x10\n",
    "a size of five thousand digits": b"@dimensions " + b"9" * 5000 + b"\n@data\n1\n",
    "a size of another script": "@dimensions ٣\n@data\n1\n".encode(),
    "a length of five thousand digits": b"@equalLength true\n@seriesLength " + b"9" * 5000 + b"\n@data\n1\n",
    "a huge size": b"@dimensions 999999999999999999\n@data\n1\n",
    "an unknown label": ROW.format("c" * 10**5).encode(),
    "a target of five thousand digits": b"@targetLabel true\n@data\n1:" + b"9" * 5000 + b"\n",
    "a flag of no end": b"@univariate " + b"x" * 10**5 + b"\n",
    "a number of no end": b"@data\n" + b"x" * 10**5 + b"\n",
    "control characters": b"@data\n1,\x1b[31m\n",
}


@pytest.mark.parametrize("what", JUNK)
@pytest.mark.parametrize("task", ["classify", "regress", "forecast"])
def test_junk_is_one_line(tmp_path: Path, what: str, task: str) -> None:
    path = tmp_path / "a.ts"
    path.write_bytes(JUNK[what])
    with pytest.raises(LaminaError) as caught:
        read(str(path), task)
    message = str(caught.value)
    assert repr(str(path)) in message and message.isprintable() and len(message) < 500 + len(str(path))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_line_ends_and_byte_order_marks_do_not_matter(tmp_path: Path, end: str, start: str) -> None:
    (tmp_path / "a.ts").write_bytes((start + (HEADER + ROWS).replace("\n", end)).encode())
    data = read(str(tmp_path / "a.ts"))
    assert data.train is not None and data.train.x.shape == (2, 3, 2)


def test_labels_may_be_any_text(tmp_path: Path) -> None:
    labels = ["\x1b[31m", "9" * 5000, "٣", "🙂"]
    path = save(tmp_path / "a.ts", "@classLabel true\n@data\n" + "".join(f"1,2:{label}\n" for label in labels))
    assert set(read(path).class_names) == set(labels)


def test_many_short_lines_are_measured_in_no_time(tmp_path: Path) -> None:
    (tmp_path / "a.ts").write_bytes(b"\n" * 3 * 10**7)
    begin = time.perf_counter()
    with pytest.raises(DataError, match="raise it with --memory"):
        read(str(tmp_path / "a.ts"))
    assert time.perf_counter() - begin < 5
