"""Files that say of themselves what is not so: refused in one line, by what is read before any array is."""

import io
import struct
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamina.cli.data import read
from lamina.cli.npz import read_arrays
from lamina.errors import DataError, LaminaError, UnknownNameError

resource = pytest.importorskip("resource", reason="memory is measured otherwise on Windows")

KNOWN = ("x", "y")
PLAIN = "{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }"


def headed(header: str | bytes, content: bytes = bytes(24), version: int = 1, length: int | None = None) -> bytes:
    """Return an array's bytes with a header of whatever is given."""
    raw = header.encode("latin-1") if isinstance(header, str) else header
    width = "<H" if version == 1 else "<I"
    return (
        b"\x93NUMPY" + bytes([version, 0]) + struct.pack(width, len(raw) if length is None else length) + raw + content
    )


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w", method) as archive:
        warnings.simplefilter("ignore")  # of a name that is there already
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return stream.getvalue()


def patched(content: bytes, mark: bytes, place: int, width: int, value: int) -> bytes:
    """Return an archive with another number in the first record of a kind."""
    start = content.index(mark) + place
    return content[:start] + value.to_bytes(width, "little") + content[start + width :]


def saved(array: Any) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asarray(array), allow_pickle=True)
    return stream.getvalue()


def peak() -> int:
    """Return how many kilobytes this process has held at most."""
    found: int = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return found // 1024 if sys.platform == "darwin" else found


def refusal(path: Path, content: bytes, limit: int = 10**7) -> str:
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(LaminaError) as caught:
            read_arrays(path, KNOWN, limit)
    message = str(caught.value)
    assert len(message.splitlines()) == 1 and len(message) < 500 + len(str(path)) and repr(str(path)) in message
    return message


HEADERS: dict[str, bytes] = {
    "no literal": headed("{"),
    "a token error": headed("'''"),
    "an indentation error": headed("  {\n 1"),
    "deep parentheses": headed("(" * 9000),
    "deep brackets": headed("[" * 150 + "]" * 150),
    "many signs": headed("-" * 9000 + "1"),
    "five thousand digits": headed(PLAIN.replace("3", "9" * 5000)),
    "no dictionary": headed("[1, 2]"),
    "a key too few": headed("{'descr': '<f8', 'shape': (3,)}"),
    "a shape that is none": headed(PLAIN.replace("(3,)", "3")),
    "a negative axis": headed(PLAIN.replace("(3,)", "(-3,)")),
    "True as an axis": headed(PLAIN.replace("(3,)", "(True,)"), bytes(8)),
    "an axis beyond int64": headed(PLAIN.replace("3", str(2**64))),
    "a product beyond int64": headed(PLAIN.replace("(3,)", f"({2**40}, {2**40})")),
    "none beside a huge axis": headed(PLAIN.replace("(3,)", f"(0, {2**62})"), b""),
    "too many axes": headed(PLAIN.replace("(3,)", str((1,) * 65)), bytes(8)),
    "a dtype that is none": headed(PLAIN.replace("<f8", "nonsense")),
    "a huge type of float": headed(PLAIN.replace("<f8", "<f" + "9" * 30)),
    "a huge string": headed(PLAIN.replace("<f8", "<U500000000")),
    "an empty string": headed(PLAIN.replace("<f8", "<U0"), b""),
    "parts": headed(PLAIN.replace("'<f8'", "[('a', '<f8')]")),
    "parts by commas": headed(PLAIN.replace("<f8", "f8,f8")),
    "an array of arrays": headed(PLAIN.replace("<f8", "(1000000000,)f8")),
    "raw bytes": headed(PLAIN.replace("<f8", "|V8")),
    "Python objects": headed(PLAIN.replace("<f8", "|O")),
    "objects within": headed(PLAIN.replace("'<f8'", "[('a', '|O')]")),
    "strings that are pointers": headed(PLAIN.replace("<f8", "T"), bytes(48)),
    "no text": headed(b"\xff\xfe" + PLAIN.encode(), version=3),
    "version 0": headed(PLAIN, version=0),
    "version 4": headed(PLAIN, version=4),
    "a header of 70 kB": headed(" " * 70000, version=2),
    "a header of 4 GB": headed(PLAIN, version=2, length=2**32 - 1),
    "a header beyond the end": headed(PLAIN, length=9000),
    "no header": b"\x93NUMPY",
    "nothing": b"",
    "an archive": zipped(("x.npy", saved([1.0]))),
    "an item too few": headed(PLAIN, bytes(16)),
    "an item too many": headed(PLAIN, bytes(32)),
    "half a surrogate": headed(PLAIN.replace("<f8", "<U1"), struct.pack("<3I", 65, 0xD800, 66)),
    "codes that are no characters": headed(PLAIN.replace("<f8", ">U1"), struct.pack(">3I", 65, 66, 0x110000)),
}


@pytest.mark.parametrize("what", HEADERS)
def test_an_array_that_is_none_is_one_line(tmp_path: Path, what: str) -> None:
    refusal(tmp_path / "a.npz", zipped(("x.npy", HEADERS[what])))


SOUND = zipped(("x.npy", saved(np.arange(300.0))), ("y.npy", saved([1, 2])))
CENTRAL, LOCAL, END = b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"

ARCHIVES: dict[str, bytes] = {
    "bzip2": zipped(("x.npy", saved([1.0])), method=zipfile.ZIP_BZIP2),
    "lzma": zipped(("x.npy", saved([1.0])), method=zipfile.ZIP_LZMA),
    "an unknown method": patched(SOUND, CENTRAL, 10, 2, 77),
    "encrypted": patched(SOUND, CENTRAL, 8, 2, 1),
    "strongly encrypted": patched(SOUND, CENTRAL, 8, 2, 0x41),
    "patched data": patched(SOUND, CENTRAL, 8, 2, 0x20),
    "another checksum": patched(SOUND, CENTRAL, 16, 4, 1),
    "less packed": patched(SOUND, CENTRAL, 20, 4, 10),
    "more unpacked": patched(SOUND, CENTRAL, 24, 4, 2**31),
    "unpacked sizes of 64 bits that are not there": patched(SOUND, CENTRAL, 24, 4, 2**32 - 1),
    "less unpacked": patched(SOUND, CENTRAL, 24, 4, 100),
    "another offset": patched(SOUND, CENTRAL, 42, 4, 7),
    "an offset beyond the end": patched(SOUND, CENTRAL, 42, 4, 2**31),
    "a long name": patched(SOUND, CENTRAL, 28, 2, 65535),
    "an extra field that is none": patched(SOUND, CENTRAL, 30, 2, 9),
    "another version": patched(SOUND, CENTRAL, 6, 2, 999),
    "a list longer than the file": patched(SOUND, END, 12, 4, 2**31),
    "a list elsewhere": patched(SOUND, END, 16, 4, 2**31),
    "rubbish for a method": zipped(("x.npy", b"rubbish"), method=zipfile.ZIP_STORED).replace(
        b"\x00\x00", b"\x0e\x00", 9
    ),
    "a name twice": zipped(("x.npy", saved([1.0])), ("x.npy", saved([2.0]))),
    "one name in two ways": zipped(("x.npy", saved([1.0])), ("x", saved([2.0]))),
    "a name that ends at a NUL": zipped(("x.npy", saved([1.0])), ("x.npy!y", saved([2.0]))).replace(
        b"npy!y", b"npy\0y"
    ),
    "cut": SOUND[:-30],
    "cut in the middle": SOUND[: len(SOUND) // 2],
    "an end alone": SOUND[-22:],
    "nothing": b"",
    "no archive": b"x" * 1000,
}


@pytest.mark.parametrize("what", ARCHIVES)
def test_an_archive_that_lies_is_one_line(tmp_path: Path, what: str) -> None:
    refusal(tmp_path / "a.npz", ARCHIVES[what])


def test_what_is_said_twice_is_believed_once(tmp_path: Path) -> None:
    """The archive's list counts: other flags of the array's own entry, or more bytes than there are, do no harm."""
    for content in (
        patched(SOUND, LOCAL, 6, 2, 1),
        patched(SOUND, CENTRAL, 20, 4, 2**31),
        patched(SOUND, END, 4, 2, 1),
    ):
        (tmp_path / "a.npz").write_bytes(content)
        assert read_arrays(tmp_path / "a.npz", KNOWN)["x"].tolist() == list(range(300))


@pytest.mark.parametrize("name", ["\x1b[31mred", "a\nb", "z" * 60000, "\u202e", "", "../x"])
def test_a_strange_name_is_told_in_one_line(tmp_path: Path, name: str) -> None:
    message = refusal(tmp_path / "a.npz", zipped((f"{name}.npy", saved([1.0]))))
    assert message.replace("\u202e", "").isprintable()


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    """A file of a thousandth of what it holds: what it declares is told, with what would let it through."""
    count = 4 * 10**7
    path = tmp_path / "bomb.npz"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("x.npy", "w", force_zip64=True) as file,
    ):
        file.write(headed(PLAIN.replace("(3,)", f"({count},)"), b""))
        block = bytes(8 * count // 20)
        for _ in range(20):
            file.write(block)
    assert path.stat().st_size < 10**6
    before = peak()
    with pytest.raises(DataError, match=r"would take 320MB, more than 200MB: raise it with --memory 320MB"):
        read(str(path), memory=2 * 10**8)
    assert peak() - before < 50_000


def test_a_member_that_unpacks_to_more_than_it_says_is_read_no_further(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    content = zipped(("x.npy", saved(np.arange(3.0)) + bytes(5 * 10**7)))
    size = len(saved(np.arange(3.0)))
    for mark, place in ((CENTRAL, 24), (LOCAL, 22)):
        content = patched(content, mark, place, 4, size)
    before = peak()
    assert "CRC" in refusal(path, content)
    assert peak() - before < 20_000


def test_all_arrays_together_are_held_to_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, x=np.zeros(1000), y=np.zeros(1000))
    assert len(read_arrays(path, KNOWN, 16_000)) == 2
    with pytest.raises(DataError, match=r"its arrays would take 16kB, more than 15\.9kB: raise it with --memory 16kB"):
        read_arrays(path, KNOWN, 15_900)


def test_small_whole_numbers_count_as_what_they_become(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, x=np.zeros(1000, np.int8))
    with pytest.raises(DataError, match="would take 8kB"):
        read_arrays(path, KNOWN, 4000)


def test_a_crowd_of_arrays_is_not_listed(tmp_path: Path) -> None:
    content = zipped(*((f"{number}.npy", b"") for number in range(20000)), method=zipfile.ZIP_STORED)
    assert "its list of arrays has over" in refusal(tmp_path / "a.npz", content)


DTYPES = ("<f8", ">f8", "<f4", ">f4", "<f2", ">f2", "g", "<i4", ">i8", "|i1", "<u2", "?")
LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "every other": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "backwards": lambda x: np.ascontiguousarray(x[::-1, :, ::-1])[::-1, :, ::-1],
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_numbers_of_every_kind_and_order_are_read_rightly(tmp_path: Path, dtype: str, layout: str) -> None:
    values = (
        np.arange(24).reshape(4, 3, 2) % 7 / 2 if np.dtype(dtype).kind == "f" else np.arange(24).reshape(4, 3, 2)
    ) * 1
    x = LAYOUTS[layout](values.astype(dtype))
    np.savez_compressed(tmp_path / "a.npz", x=x, y=np.array([0, 1, 0, 1], ">i2"))
    part = read(str(tmp_path / "a.npz")).train
    assert part is not None and part.x.dtype in (np.float32, np.float64) and part.x.dtype.isnative
    assert part.x.tolist() == values.astype(dtype).astype(float).tolist() and part.y.tolist() == [0, 1, 0, 1]


def test_what_no_float64_holds_is_told_with_its_place(tmp_path: Path) -> None:
    if np.finfo("g").max <= np.finfo("f8").max:
        pytest.skip("a long double is a double here")
    x = np.ones((2, 2, 1), "g")
    x[1, 0, 0] = np.longdouble("1e400")
    np.savez(tmp_path / "a.npz", x=x, y=[0, 1])
    with pytest.raises(DataError, match="got inf at row 1, step 0, feature 0"):
        read(str(tmp_path / "a.npz"))


def test_a_byte_that_is_no_boolean_counts_as_true(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(zipped(("x.npy", headed(PLAIN.replace("<f8", "|b1"), b"\x00\x01\xff"))))
    assert read_arrays(tmp_path / "a.npz", KNOWN)["x"].astype(float).tolist() == [0, 1, 1]


def test_strings_of_either_byte_order_are_read(tmp_path: Path) -> None:
    texts = ["é", "🙂 b", ""]
    for order in "<>":
        np.savez(tmp_path / "a.npz", x=np.array(texts, f"{order}U3"))
        assert read_arrays(tmp_path / "a.npz", KNOWN)["x"].tolist() == texts


def test_headers_of_all_versions_and_of_python_2_are_read(tmp_path: Path) -> None:
    for version, header in ((1, PLAIN), (2, PLAIN), (3, PLAIN), (1, PLAIN.replace("3,", "3L,"))):
        content = headed(header, np.arange(3.0).tobytes(), version)
        (tmp_path / "a.npz").write_bytes(zipped(("x.npy", content)))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert read_arrays(tmp_path / "a.npz", KNOWN)["x"].tolist() == [0, 1, 2]


def test_no_message_holds_an_array(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    x, long = np.zeros((4, 2, 1)), np.array(["n" * 5000] * 4)
    for arrays, task in (
        ({"x": x, "y": [0, 1, 0, 1], "class_names": long}, "classify"),
        ({"x": x, "y": [0, 1, 0, 1], "class_names": np.zeros((50, 50))}, "classify"),
        ({"x": x, "y": np.full((4, 5000), np.nan)}, "regress"),
        ({"x": x, "y": np.zeros((1,) * 64)}, "classify"),
        ({"x": x, "y": long, "x_test": x, "y_test": np.array(["m" * 5000] * 4)}, "classify"),
    ):
        np.savez(path, **arrays)  # type: ignore[arg-type]
        with pytest.raises(LaminaError) as caught:
            read(str(path), task)
        assert len(str(caught.value)) < 400 + len(str(path)) and len(str(caught.value).splitlines()) == 1


def test_an_unknown_array_is_refused_unread(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(zipped(("z.npy", b"no array at all")))
    with pytest.raises(UnknownNameError):
        read_arrays(tmp_path / "a.npz", KNOWN)
