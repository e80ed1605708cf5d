"""One array of a .npz file: what it says of itself, held to what its file says, and then its numbers or strings.

The format is NumPy's (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html): a mark, a version, the
length of a header, the header as a Python literal, and the items.
"""

from __future__ import annotations

import io
import math
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, TypeAlias

import numpy as np

from lamina.cli.messages import quoted, reason
from lamina.errors import DataError, LaminaError

__all__ = ["Member", "NumpyArray", "describe", "foreign", "read_items"]

NumpyArray: TypeAlias = np.ndarray[Any, Any]

_MARK = b"\x93NUMPY"
# NumPy reads no longer header of a file that it does not trust; that of a plain array has some hundred characters.
_LONGEST_HEADER = 10_000
_MOST_AXES = 64
# Other kinds hold pointers, or parts: of them nothing could be made here.
_PLAIN_KINDS = "fiubcUSmM"
_CHUNK = 1 << 18
_LAST_CHARACTER = 0x10FFFF


@dataclass(frozen=True)
class Member:
    """An array that is not read yet.

    Attributes
    ----------
    name : str
    entry : ZipInfo
        Where it is in the archive.
    start : int
        How many bytes are before its items.
    dtype : dtype
    shape : tuple of int
    fortran_order : bool
        Whether its first axis is the one that runs fastest in the file.
    """

    name: str
    entry: zipfile.ZipInfo
    start: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran_order: bool

    @property
    def size(self) -> int:
        """How many items it has."""
        return math.prod(self.shape)

    @property
    def memory(self) -> int:
        """How many bytes it takes, once it is numbers that a model can take: whole numbers become float64.

        An axis of 0 beside a huge one counts as 1: there is no such array to make anything of.
        """
        item = self.dtype.itemsize if self.dtype.kind in "USc" else max(self.dtype.itemsize, 8)
        single = self.dtype.kind == "f" and self.dtype.itemsize == 4
        return math.prod(max(size, 1) for size in self.shape) * (4 if single else item)


@contextmanager
def foreign(source: str) -> Iterator[None]:
    """Turn what zipfile and NumPy raise of damaged bytes, which may be anything, into a `DataError`."""
    try:
        yield
    except (LaminaError, MemoryError):
        raise
    except Exception as error:
        raise DataError(f"{source!r}: no readable .npz file ({reason(error)})") from error


def describe(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str, source: str) -> Member:
    """Return what an array says of itself; only its header is read.

    Parameters
    ----------
    archive : ZipFile
    entry : ZipInfo
    name, source : str
        The array's and the file's, for messages.

    Raises
    ------
    DataError
        If it is encrypted, is packed otherwise than NumPy does, is no array or one of Python objects or of parts, or
        takes more or fewer bytes than its file says.
    """
    label = f"{source!r}: array {quoted(name)}"
    if entry.flag_bits & 1:
        raise DataError(f"{label} is encrypted: write it with numpy.savez")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # Of other methods zipfile unpacks as much as comes of a piece, without a bound.
        raise DataError(f"{label} is packed by method {entry.compress_type}: write it with numpy.savez_compressed")
    with foreign(source), archive.open(entry) as stream:
        if stream.read(len(_MARK)) != _MARK:
            raise ValueError(f"{quoted(name)} is no array")
        version, header, start = _header(stream, label)
    dtype, shape, fortran_order = _parsed(version, header, label)
    if dtype.hasobject:
        hint = "save numbers or strings, and pad rows of unequal length with lamina.pad"
        raise DataError(f"{label} holds Python objects: {hint}")
    if dtype.kind not in _PLAIN_KINDS or dtype.names or dtype.subdtype or not dtype.itemsize:
        raise DataError(f"{label}: expected plain numbers or strings, got items of {quoted(str(dtype))}")
    if len(shape) > _MOST_AXES or any(type(size) is not int or size < 0 for size in shape):
        raise DataError(f"{label}: expected a shape of whole numbers of 0 or more, got {quoted(shape)}")
    found = Member(name, entry, start, dtype, shape, fortran_order)
    needed = start + found.size * dtype.itemsize
    if needed != entry.file_size:
        raise DataError(
            f"{label} of shape {quoted(shape)} and {dtype} takes {needed} bytes, but the file holds {entry.file_size}"
        )
    return found


def _header(stream: IO[bytes], label: str) -> tuple[int, bytes, int]:
    """Return the format's version, a header as it stands, and how many bytes there are up to its end."""
    version, _ = (*stream.read(2), 0, 0)[:2]
    if version not in (1, 2, 3):
        raise DataError(f"{label}: expected version 1, 2 or 3 of the format, got {version}")
    width = 2 if version == 1 else 4
    length = int.from_bytes(stream.read(width), "little")
    if length > _LONGEST_HEADER:
        raise DataError(f"{label}: expected a header of at most {_LONGEST_HEADER} bytes, got {length}")
    header = stream.read(length)
    if len(header) < length:
        raise DataError(f"{label}: ends within its header")
    return version, header, len(_MARK) + 2 + width + length


def _parsed(version: int, header: bytes, label: str) -> tuple[np.dtype[Any], tuple[int, ...], bool]:
    """Return the dtype, the shape, and whether the order is Fortran's."""
    try:
        if version == 3:  # in UTF-8, for names of fields; what is plain is the same in Latin-1
            header = header.decode("utf-8").encode("latin-1")
        content = io.BytesIO(len(header).to_bytes(4, "little") + header)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of files by Python 2, and of outdated names
            shape, fortran_order, dtype = np.lib.format.read_array_header_2_0(content, _LONGEST_HEADER)
    except Exception as error:  # MemoryError too: the parser's, of a literal too deep
        raise DataError(f"{label} has a header that is none ({reason(error)})") from error
    return dtype, shape, fortran_order


def read_items(archive: zipfile.ZipFile, member: Member, source: str) -> NumpyArray:
    """Return an array's items, in the machine's byte order.

    Not a byte more is unpacked than the array takes by its header, which the caller has held to a bound.

    Raises
    ------
    DataError
        If they end early, are damaged, or are strings of what is no text.
    """
    label = f"{source!r}: array {quoted(member.name)}"
    content = np.empty(member.size * member.dtype.itemsize, np.uint8)
    view = content.data
    with foreign(source), archive.open(member.entry) as stream:
        stream.read(member.start)
        place = 0
        while place < len(view):
            count = stream.readinto(view[place : place + _CHUNK])  # type: ignore[attr-defined]
            if not count:
                raise DataError(f"{label} ends after {place} of {len(view)} bytes")
            place += count
    array: NumpyArray = content.view(member.dtype)
    if member.dtype.kind == "b":
        array = content != 0  # a byte that is neither 0 nor 1 would count as itself
    array = array.astype(member.dtype.newbyteorder("="), copy=False)
    if member.dtype.kind == "U":
        _require_text(array, label)
    return array.reshape(member.shape[::-1]).T if member.fortran_order else array.reshape(member.shape)


def _require_text(array: NumpyArray, label: str) -> None:
    """Raise `DataError` where strings hold what stands for no character: it could not be shown or written."""
    codes = array.view(np.uint32)
    wrong = (codes > _LAST_CHARACTER) | ((codes >= 0xD800) & (codes < 0xE000))
    if wrong.any():
        raise DataError(f"{label} holds text with the code {codes[wrong.argmax()]}, which is no character")
