"""Tables of text from anything that may be in a .csv file: read as they stand, or one line."""

import io
import time
from pathlib import Path
from typing import Any

import pytest

from lamina.cli.csv_table import choose_columns, read_header, read_table
from lamina.cli.data import read
from lamina.errors import DataError, LaminaError, MissingPackageError, UnknownNameError

HEADER = b"id,time,f,target\n"
ROWS = b"1,0,2.5,a\n2,0,3.5,b\n"


@pytest.fixture(autouse=True)
def pandas(request: pytest.FixtureRequest) -> Any:
    if "header" in request.node.name or "without" in request.node.name:
        return None
    return pytest.importorskip("pandas", reason="needs pandas: pip install -e '.[data]'")


def with_number(text: str) -> bytes:
    return HEADER + f"1,0,{text},a\n2,0,1,b\n".encode()


JUNK: dict[str, bytes] = {
    "binary": bytes(range(256)) * 40,
    "NUL bytes": b"\0" * 1000,
    "NUL bytes below the header": HEADER + b"\0" * 1000,
    "UTF-16": (HEADER + ROWS).decode().encode("utf-16"),
    "UTF-32": (HEADER + ROWS).decode().encode("utf-32"),
    "Latin-1": HEADER.replace(b"target", "größe".encode("latin-1")) + ROWS,
    "surrogates": HEADER + ROWS.replace(b"a\n", b"\xed\xa0\x80\n"),
    "an open quote": HEADER + b'1,0,"2.5,a\n2,0,3.5,b\n' * 20,
    "quotes": HEADER + b'"' * 100_001,
    "a field too long for a header": b"x" * 200_000 + b"\n",
    "a header without an end": b"x" * 5_000_000,
    "a quoted line break in a name": b'id,time,"f\nf",target\n' + ROWS + b'"',
    "more fields than names": HEADER + b"1,0,2.5,a,more,and,more\n",
    "more fields later": HEADER + ROWS + b"1,1,2.5,a,more\n",
    "a carriage return alone": HEADER + b"1,0,2.5\r1,a\n",
    "the end of a text file of old": HEADER + b"\x1a",
    "no number": with_number("four"),
    "an infinity": with_number("1e400"),
    "four hundred digits": with_number("1" + "0" * 400),
    "five thousand digits": with_number("9" * 5000),
    "digits of another script": with_number("١٢"),
    "an underscore": with_number("1_000"),
    "a hexadecimal": with_number("0x10"),
    "a decimal comma": with_number('"1,5"'),
    "NaN": with_number("nan"),
    "two times beyond all": HEADER + b"1,1e999999,1,a\n1,1e888888,1,a\n",
    "a time of digits": HEADER + b"1," + b"9" * 400 + b",1,a\n" + b"1," + b"8" * 400 + b",1,a\n" + b"2,soon,1,b\n",
    "a date that is none": HEADER + b"1,2024-13-45,1,a\n2,2024-01-01,1,b\n",
    "a date beyond all": HEADER + b"1,2024-01-01,1,a\n2,999999-01-01,1,b\n",
    "dates and numbers": HEADER + b"1,1,1,a\n1,2024-01-01,1,a\n2,1,1,b\n",
}


@pytest.mark.parametrize("what", JUNK)
def test_junk_is_one_line(tmp_path: Path, what: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(JUNK[what])
    with pytest.raises(LaminaError) as caught:
        read(str(path))
    message = str(caught.value)
    assert repr(str(path)) in message and message.replace("ö", "").isprintable() and len(message) < 500 + len(str(path))


def test_labels_and_ids_may_be_any_text(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    labels = ["\x1b[31m", "9" * 5000, "٣", "-0", "🙂"]
    path.write_text("id,f,target\n" + "".join(f"{'9' * 400}{place},1,{one}\n" for place, one in enumerate(labels)))
    data = read(str(path))
    assert set(data.class_names) == set(labels) and data.train is not None
    assert data.train.ids == tuple("9" * 400 + str(place) for place in range(5))


def test_thousands_of_columns_take_no_time(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    names = [f"f{place}" for place in range(5000)]
    path.write_text(
        ",".join(["id", "target", *names]) + "\n" + "".join(f"{row},{row % 2}{',1' * 5000}\n" for row in (0, 1))
    )
    begin = time.perf_counter()
    data = read(str(path), columns={"features": names})
    assert data.train is not None and data.train.x.shape == (2, 1, 5000)
    assert time.perf_counter() - begin < 20


def test_a_header_of_thousands_of_names_takes_no_time_and_of_more_is_refused() -> None:
    names = [f"f{place}" for place in range(9_998)]
    begin = time.perf_counter()
    header = read_header(io.BytesIO(",".join(["id", "target", *names]).encode()), "a")
    assert choose_columns(header, {"features": names}, "classify", "a", True)["features"] == names
    names += [f"g{place}" for place in range(90_000)]
    with pytest.raises(DataError, match="expected at most 10000 columns, got 100000: write so many features"):
        read_header(io.BytesIO(",".join(["id", "target", *names]).encode()), "a")
    assert time.perf_counter() - begin < 5


def test_a_header_leaves_the_file_at_its_begin() -> None:
    file = io.BytesIO("\ufeffid,é\nx".encode() + b"\xff" * 10)
    with pytest.raises(DataError, match=r"no readable \.csv file"):
        read_header(file, "a")
    file = io.BytesIO("\ufeffid,é\nx".encode())
    assert read_header(file, "a") == ["id", "é"] and file.tell() == 0


def test_a_header_before_more_than_is_looked_at_is_read() -> None:
    text = "id,é\n" + "é" * 2_500_000  # cut within a character
    assert read_header(io.BytesIO(b" " + text.encode()), "a") == [" id", "é"]


def test_a_header_names_not_all_of_many_columns() -> None:
    header = [f"f{place}" for place in range(10_000)]
    with pytest.raises(UnknownNameError) as caught:
        choose_columns(header, {"id": "g"}, "classify", "a", True)
    assert len(str(caught.value)) < 2000


def test_a_table_is_text(tmp_path: Path) -> None:
    table = read_table(io.BytesIO(HEADER + b"\n1,0,1e5,NA\n"), "a", ["id", "time", "f", "target"], 10**6)
    assert table.index.tolist() == [1] and table.iloc[0].tolist() == ["1", "0", "1e5", "NA"]
    with pytest.raises(DataError, match="holds no line below the header"):
        read_table(io.BytesIO(HEADER), "a", ["id", "time", "f", "target"], 10**6)


def test_a_table_without_pandas_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(MissingPackageError, match="pandas is not installed"):
        read_table(io.BytesIO(HEADER), "a", ["id"], 10**6)


def test_one_wide_line_makes_no_table_as_wide(tmp_path: Path) -> None:
    """The first line sets what all others take: here some thousand million places for a megabyte."""
    path = tmp_path / "a.csv"
    path.write_text("id,f,target\n" + "1,2," * 10_000 + "a\n" + "1,2,a\n" * 50_000)
    begin = time.perf_counter()
    with pytest.raises(DataError, match=r"no readable \.csv file"):
        read(str(path))
    assert time.perf_counter() - begin < 20
