"""The checkpoint files of a folder: written whole, read where they are sound, the last few and the best kept."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path
from typing import Any, TypeAlias

from lamina.backends import Backend
from lamina.core.model_bytes import read_arrays, to_bytes
from lamina.core.model_file import checksum_of
from lamina.core.packed import Arrays, pack, unpack
from lamina.core.version import __version__
from lamina.errors import CheckpointError
from lamina.files import write_file

__all__ = ["BEST", "Content", "Store", "as_bytes"]

#: The model of the best epoch: a model file, as `lamina.load` reads it.
BEST = "best.safetensors"

# Raised by one when an older Lamina could not read the file rightly.
_FORMAT = 1
_NAME = re.compile(r"checkpoint-(\d+)\.safetensors", re.ASCII)

Content: TypeAlias = "dict[str, Any]"


class Store:
    """The checkpoint files of a folder, which the caller has locked.

    Parameters
    ----------
    folder : Path
    keep : int
        How many of the latest are kept.
    """

    def __init__(self, folder: Path, keep: int) -> None:
        self.folder = folder
        self._keep = keep

    def write(self, number: int, content: Content) -> None:
        """Write a checkpoint, and only then remove those that are too old.

        Parameters
        ----------
        number : int
            By which it is later than others: of the steps that were taken.
        content : dict
            What `pack` can hold.

        Raises
        ------
        CheckpointError
            If something else is in it.
        OutputError
            If it cannot be written; those before stay.
        """
        write_file(self.folder / f"checkpoint-{number:09d}.safetensors", *as_bytes(content))
        for _, old in self._found()[: -self._keep]:
            with contextlib.suppress(OSError):  # it is no harm where it stays
                old.unlink()

    def latest(self, backend: Backend | None = None) -> tuple[Content | None, str]:
        """Return the content of the latest sound checkpoint, None where the folder has none, and what to say of others.

        Parameters
        ----------
        backend : Backend, optional
            Where arrays of a backend go.

        Raises
        ------
        CheckpointError
            If there are checkpoints, and none that is sound; or the latest is of a newer version.
        """
        damaged: list[str] = []
        for _, path in reversed(self._found()):
            try:
                content = _read(path, backend)
            except _Damaged as error:
                damaged.append(str(error))
                continue
            return content, "; ".join([*damaged, f"so {path.name} is taken"]) if damaged else ""
        if damaged:
            raise CheckpointError(f"{str(self.folder)!r}: no checkpoint of it can be read: {'; '.join(damaged)}")
        return None, ""

    def _found(self) -> list[tuple[int, Path]]:
        """Return the checkpoints there are, the latest last."""
        names = ((_NAME.fullmatch(path.name), path) for path in self.folder.iterdir())
        return sorted((int(found.group(1)), path) for found, path in names if found)


class _Damaged(Exception):
    """Why a file cannot be read; an older one may do."""


def as_bytes(content: Content) -> tuple[bytes, memoryview]:
    """Return a checkpoint as the bytes of a safetensors file, in two pieces: the same for the same content.

    Raises
    ------
    CheckpointError
        If there is something in it that `pack` cannot hold.
    """
    arrays: Arrays = {}
    packed = json.dumps(pack(content, arrays), sort_keys=True)
    metadata = {"lamina_checkpoint": str(_FORMAT), "lamina": __version__, "content": packed}
    return to_bytes(arrays, {**metadata, "checksum": checksum_of(arrays, metadata)})


def _read(path: Path, backend: Backend | None) -> Content:
    try:
        arrays, metadata = read_arrays(path)
    except CheckpointError as error:
        raise _Damaged(f"{path.name}: {error}") from error
    written = metadata.get("lamina_checkpoint", "")
    if not re.fullmatch(r"\d{1,9}", written, re.ASCII):
        raise _Damaged(f"{path.name} is no checkpoint of Lamina's")
    if int(written) > _FORMAT:
        told = f"checkpoint format {written}, this Lamina reads up to {_FORMAT}"
        raise CheckpointError(f"{str(path)!r}: written by lamina {metadata.get('lamina')} in {told}; upgrade lamina")
    if metadata.pop("checksum", None) != checksum_of(arrays, metadata):
        raise _Damaged(f"{path.name} does not match its checksum")
    try:
        content = unpack(json.loads(metadata["content"]), arrays, backend)
    except (CheckpointError, ValueError, KeyError, RecursionError) as error:
        raise _Damaged(f"{path.name} is damaged ({error})") from error
    if not isinstance(content, dict):
        raise _Damaged(f"{path.name} is damaged (its content is no dict)")
    return content
