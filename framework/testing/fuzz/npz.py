"""Hostile .npz files: damaged archives, headers that lie, arrays of every kind, and bombs."""

from __future__ import annotations

import io
import re
import struct
import warnings
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from lamina.testing.fuzz.reading import MEMORY
from lamina.testing.fuzz.reading import outcome as read_outcome

__all__ = ["make", "outcome"]

_NAMES = ("x", "y", "lengths", "class_names", "x_test", "y_test", "lengths_test", "x_train", "y_train")
# Types of items: plain ones, ones of parts, of pointers, of no size or a huge one, and what is no type.
_DTYPES = (
    *("<f8", ">f8", "<f4", ">f4", "<f2", ">f2", "<f16", ">f16", "|b1", "|i1", "<u8", ">i8", "<i4", "<c16", "<U3"),
    *(">U7", "|S4", "|O", "<M8[ns]", "<m8[s]", "|V8", "<U0", "|S0", "<U99999999", "|V2147483647", "T", "|T16", "?"),
    *("f8,f8", "(3,)f8", "(1000000000,)f8", "<f3", "f", "<f99999999999999999999", "", "a5", "float", "nonsense"),
)
_SIZES = (0, 1, 2, 3, 7, 255, 1 << 16, 1 << 31, 1 << 40, (1 << 63) - 1, 1 << 63, 1 << 64, 10**30, -1)
# Headers that bring a parser to its knees, or only to another error than the one expected.
_HEADERS = (
    *(
        "",
        "{",
        "(" * 9000,
        "[" * 150 + "]" * 150,
        "-" * 9000 + "1",
        "{'descr': '<f8'}",
        "\x00",
        "{'a': 1",
        "'''",
        "1 +",
    ),
    *("  {\n 1", "if 1:\n  2\n 3", "\\", "{'descr': '<f8', 'fortran_order': False, 'shape': (1L,), }", "None", "0777"),
    *("{'descr': '<f8', 'fortran_order': 1, 'shape': (1,)}", "{'descr': '<f8', 'fortran_order': False, 'shape': 1}"),
    *("{'descr': [], 'fortran_order': False, 'shape': ()}", "{'descr': None, 'fortran_order': False, 'shape': ()}"),
    *(
        "{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (1,)}",
        "é",
        "{[]: 1}",
        "9" * 5000,
        "1e999",
        "x" * 9999,
    ),
    *(
        "{'descr': '<f8', 'fortran_order': False, 'shape': (True,)}",
        "{'descr': {}, 'fortran_order': False, 'shape': ()}",
    ),
)
_WORDS = (0, 1, 2, 8, 12, 14, 93, 99, 0x7FFF, 0xFFFF)
_LONG_WORDS = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
# Where the numbers are in a central entry, in a local one, and in the end record: (place, bytes).
_FIELDS = {
    b"PK\x01\x02": ((8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (28, 2), (30, 2), (32, 2), (34, 2), (42, 4)),
    b"PK\x03\x04": ((6, 2), (8, 2), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2)),
    b"PK\x05\x06": ((4, 2), (6, 2), (8, 2), (10, 2), (12, 4), (16, 4), (20, 2)),
}


def make(rng: np.random.Generator, task: str = "classify") -> bytes:
    """Return the bytes of a file that is sound, or wrong in one to three ways.

    Parameters
    ----------
    rng : Generator
        The same bytes for the same state.
    task : {"classify", "tag", "regress", "forecast"}
        What a sound file would be for.

    Examples
    --------
    >>> make(np.random.default_rng(1)) == make(np.random.default_rng(1))
    True
    """
    members = _sound(rng, task)
    for _ in range(int(rng.integers(3))):
        place = int(rng.integers(len(members)))
        name, content = members[place]
        members[place] = _pick(rng, _MEMBER_FAULTS)(rng, name, content)
    content = _archive(rng, members)
    for _ in range(int(rng.integers(3))):
        content = _pick(rng, _ARCHIVE_FAULTS)(rng, content)
    return content


def outcome(content: bytes, folder: str | Path, task: str = "classify", memory: int = MEMORY) -> str:
    """Return what became of it: see `lamina.testing.fuzz.reading.outcome`."""
    return read_outcome(content, ".npz", folder, task, memory)


def _pick(rng: np.random.Generator, among: Any) -> Any:
    return among[int(rng.integers(len(among)))]


def _sound(rng: np.random.Generator, task: str) -> list[tuple[str, bytes]]:
    """Return the arrays of a small file for a task, as numpy.save writes them."""
    rows, time, features = (int(size) for size in rng.integers(1, 6, 3))
    rows += 5
    x = rng.normal(size=(rows, time, features)).astype(_pick(rng, ("<f8", ">f8", "<f4", "<f2", "<i2")))
    arrays: dict[str, Any] = {"x": np.asfortranarray(x) if rng.random() < 0.3 else x}
    if task == "classify":
        arrays["y"] = _pick(rng, (np.arange(rows) % 2, np.array(["a", "b"])[np.arange(rows) % 2], np.arange(rows) < 3))
    elif task == "tag":
        arrays["y"] = rng.integers(3, size=(rows, time))
    elif task == "regress":
        arrays["y"] = rng.normal(size=(rows, 2))
    if rng.random() < 0.5:
        arrays["lengths"] = rng.integers(1, time + 1, rows)
    if rng.random() < 0.2 and task in ("classify", "tag"):
        arrays["class_names"] = np.array(["no", "yes", "never"])
    found = []
    for name, array in arrays.items():
        stream = io.BytesIO()
        np.lib.format.write_array(stream, array, allow_pickle=False)
        found.append((f"{name}.npy", stream.getvalue()))
    return found


def _archive(rng: np.random.Generator, members: list[tuple[str, bytes]]) -> bytes:
    stream = io.BytesIO()
    method = _pick(rng, (zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED, *_OTHERS))
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w", method) as archive:
        warnings.simplefilter("ignore")  # of a name that is there already
        for name, content in members:
            with archive.open(zipfile.ZipInfo(name), "w", force_zip64=rng.random() < 0.1) as target:
                target.write(content)
    return stream.getvalue()


_OTHERS = (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


def _npy(descr: str, shape: tuple[int, ...], content: bytes, order: bool = False) -> bytes:
    """Return an array's bytes, with a header of whatever is given."""
    header = f"{{'descr': {descr!r}, 'fortran_order': {order}, 'shape': {shape!r}, }}".encode("latin-1")
    return _headed(header, content)


def _headed(header: bytes, content: bytes, version: int = 1, length: int | None = None) -> bytes:
    width = "<H" if version == 1 else "<I"
    return (
        b"\x93NUMPY"
        + bytes([version, 0])
        + struct.pack(width, length if length is not None else len(header))
        + header
        + content
    )


def _other_dtype(rng: np.random.Generator, name: str, content: bytes) -> tuple[str, bytes]:
    shape = tuple(int(size) for size in rng.integers(1, 5, int(rng.integers(4))))
    return name, _npy(_pick(rng, _DTYPES), shape, rng.bytes(int(rng.integers(3000))), bool(rng.integers(2)))


def _fitting_dtype(rng: np.random.Generator, name: str, content: bytes) -> tuple[str, bytes]:
    """Random bytes that are as many as the shape says: invalid texts, booleans and numbers."""
    descr = _pick(rng, ("<f8", ">f4", "<f2", "<f16", "|b1", "<U2", ">U2", "|S3", "<u8", "<c8", "<M8[D]", "<m8[ns]"))
    shape = tuple(int(size) for size in rng.integers(1, 8, int(rng.integers(1, 4))))
    return name, _npy(descr, shape, rng.bytes(int(np.prod(shape)) * np.dtype(descr).itemsize), bool(rng.integers(2)))


def _other_shape(rng: np.random.Generator, name: str, content: bytes) -> tuple[str, bytes]:
    shape = tuple(_pick(rng, _SIZES) for _ in range(int(rng.integers(5))))
    return name, _npy(_pick(rng, ("<f8", "|i1", "<U1", "|b1")), shape, bytes(int(rng.integers(200))))


def _other_header(rng: np.random.Generator, name: str, content: bytes) -> tuple[str, bytes]:
    header = _pick(rng, _HEADERS).encode("utf-8")
    length = int(_pick(rng, (0, 1, 65535, len(header)))) if rng.random() < 0.2 else None
    return name, _headed(header, bytes(64), int(_pick(rng, (1, 1, 2, 3))), length)


def _longest_header(rng: np.random.Generator, name: str, content: bytes) -> tuple[str, bytes]:
    return name, _headed(b" " * 70000, bytes(64), int(_pick(rng, (2, 3, 4))), int(_pick(rng, (70000, 0xFFFFFFFF))))


def _bytes_changed(rng: np.random.Generator, name: str, content: bytes) -> tuple[str, bytes]:
    return name, _changed(rng, content)


def _cut(rng: np.random.Generator, name: str, content: bytes) -> tuple[str, bytes]:
    return name, content[: int(rng.integers(len(content) + 1))]


def _longer(rng: np.random.Generator, name: str, content: bytes) -> tuple[str, bytes]:
    return name, content + rng.bytes(int(rng.integers(1, 100)))


def _nested(rng: np.random.Generator, name: str, content: bytes) -> tuple[str, bytes]:
    return name, _archive(rng, [(name, content)])


def _bomb(rng: np.random.Generator, name: str, content: bytes) -> tuple[str, bytes]:
    """Zeros that deflate to a thousandth, more of them than may be taken, or declared to be fewer."""
    steps = int(_pick(rng, (1, 1000, MEMORY // 8 + 1)))
    return name, _npy("<f8", (1, steps, 1), bytes(8 * (MEMORY // 8 + 1)))


def _other_name(rng: np.random.Generator, name: str, content: bytes) -> tuple[str, bytes]:
    names = (
        *_NAMES,
        "",
        "\x1b[31mx",
        "a\nb",
        "x\x00y",
        "é",
        "../x",
        "/x",
        "x.npy.npy",
        "z" * 30000,
        "lenghts",
        "\u202e",
    )
    return _pick(rng, names) + _pick(rng, ("", ".npy")), content


def _changed(rng: np.random.Generator, content: bytes) -> bytes:
    """Return bytes of which some are others."""
    found = bytearray(content)
    for _ in range(int(rng.integers(1, 8)) if found else 0):
        found[int(rng.integers(len(found)))] = int(rng.integers(256))
    return bytes(found)


def _field(rng: np.random.Generator, content: bytes) -> bytes:
    """Change a number in one of the archive's records: sizes, offsets, methods, flags, lengths."""
    mark = _pick(rng, tuple(_FIELDS))
    places = [found.start() for found in re.finditer(re.escape(mark), content)]
    if not places:
        return content
    place, width = _pick(rng, _FIELDS[mark])
    value = _pick(rng, _WORDS if width == 2 else (*_LONG_WORDS, int(rng.integers(len(content)))))
    start = _pick(rng, places) + place
    return content[:start] + int(value).to_bytes(width, "little") + content[start + width :]


def _encrypted(rng: np.random.Generator, content: bytes) -> bytes:
    """Set the flag of encryption in each record."""
    for mark, place in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        parts = content.split(mark)
        at = place - 4
        parts[1:] = [part[:at] + bytes([part[at] | 1]) + part[at + 1 :] for part in parts[1:] if len(part) > at]
        content = mark.join(parts)
    return content


@cache
def _crowd() -> bytes:
    """Return an archive of many empty members."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for number in range(20000):
            archive.writestr(f"{number}.npy", b"")
    return stream.getvalue()


_MEMBER_FAULTS: tuple[Callable[[np.random.Generator, str, bytes], tuple[str, bytes]], ...] = (
    *(_other_dtype, _fitting_dtype, _other_shape, _other_header, _longest_header, _bytes_changed, _cut, _longer),
    *(_nested, _bomb, _other_name),
)
_ARCHIVE_FAULTS: tuple[Callable[[np.random.Generator, bytes], bytes], ...] = (
    *(_changed, _field, _field, _field, _encrypted),
    lambda rng, content: content[: int(rng.integers(len(content) + 1))],
    lambda rng, content: rng.bytes(int(rng.integers(100))) + content,
    lambda rng, content: content + rng.bytes(int(rng.integers(100))),
    lambda rng, content: _crowd() if rng.random() < 0.02 else rng.bytes(len(content)),
)
