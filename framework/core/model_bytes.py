"""The bytes of a model file: safetensors, the same for the same content every time."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lamina.core.bounds import MOST_HEADER
from lamina.errors import CheckpointError

__all__ = ["read_arrays", "to_bytes"]

# How many bytes tell the length of the header, which ends where this divides.
_WORD = 8


def to_bytes(arrays: Mapping[str, np.ndarray[Any, Any]], metadata: Mapping[str, str]) -> tuple[bytes, memoryview]:
    """Return the content of a safetensors file, its header and its data.

    The library lays the arrays out always alike, but writes the metadata in an order of its process: here they are
    sorted.

    Raises
    ------
    CheckpointError
        If the header would be longer than `read_arrays` reads.
    """
    from safetensors.numpy import save

    content = memoryview(save(dict(arrays), dict(metadata)))
    size = int.from_bytes(content[:_WORD], "little")
    header = json.loads(bytes(content[_WORD : _WORD + size]))
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _WORD)
    if len(text) > MOST_HEADER:
        raise CheckpointError(
            f"cannot save the model: its architecture and facts take {len(text)} bytes, more than the {MOST_HEADER} "
            "that can be read"
        )
    return len(text).to_bytes(_WORD, "little") + text, content[_WORD + size :]


def read_arrays(path: str | Path) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, str]]:
    """Return the arrays and the metadata of a safetensors file.

    Raises
    ------
    CheckpointError
        If there is none, or it cannot be read; without the file's name.
    """
    from safetensors import SafetensorError, safe_open

    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe would be waited for
            raise OSError("it is no file")
        with open(path, "rb") as opened:
            size = int.from_bytes(opened.read(_WORD), "little")
        if size > MOST_HEADER:
            raise ValueError(f"a header of {size} bytes, more than {MOST_HEADER}")
        with safe_open(path, framework="numpy") as file:
            metadata = dict(file.metadata() or {})
            return {name: file.get_tensor(name) for name in file.keys()}, metadata  # noqa: SIM118 - no mapping
    except FileNotFoundError as error:
        raise CheckpointError("there is no such file") from error
    except (SafetensorError, OSError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise CheckpointError(f"no readable safetensors file ({error})") from error
