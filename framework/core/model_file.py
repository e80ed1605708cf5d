"""Model files: weights in safetensors, architecture and facts beside them as JSON; nothing is ever unpickled."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lamina.core.config import describe
from lamina.core.transfer import load_parameters, ties
from lamina.core.tree import Tree
from lamina.errors import CheckpointError
from lamina.files import write_file

__all__ = ["load_weights", "read_file", "require_savable", "save"]

# Raised by one when an older Lamina could not read the file rightly.
_FORMAT = 1


def save(model: Tree, path: str | Path) -> None:
    """Write a built model to a safetensors file, whole or not at all.

    Raises
    ------
    NotBuiltError
        If the model is not built.
    CheckpointError
        If a layer's class is not registered, or an argument or fact is nothing that JSON can hold.
    OutputError
        If the file cannot be written.
    """
    from safetensors.numpy import save as to_bytes

    arrays = model.state_dict()
    metadata = {
        "lamina_format": str(_FORMAT),
        "architecture": _architecture(model),
        "input_shapes": json.dumps(model.input_shapes),
        "dtype": model.dtype,
        "facts": _json(model.facts, "facts"),
        "ties": json.dumps(ties(model)),
        "frozen": json.dumps(_frozen(model)),
    }
    write_file(path, to_bytes(arrays, {**metadata, "checksum": _checksum(arrays, metadata)}))


def load_weights(model: Tree, path: str | Path) -> None:
    """Set a built model's parameters from a file; nothing is changed unless all of them fit.

    Raises
    ------
    CheckpointError
        If the file cannot be read, or its arrays do not fit.
    """
    arrays, _ = read_file(path)
    load_parameters(model, arrays, source=repr(str(path)))


def require_savable(model: Tree) -> None:
    """Raise `CheckpointError` where `save` would; to be called before long work whose result is to be saved."""
    _architecture(model)
    _json(model.facts, "facts")


def _frozen(model: Tree) -> list[str]:
    return [name for name, parameter in model.named_parameters().items() if not parameter.trainable]


def _architecture(model: Tree) -> str:
    return _json(describe(model), "architecture")


def _json(value: Any, what: str) -> str:
    try:
        return json.dumps(value)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"cannot save the model's {what} as JSON: {error}") from error


def _checksum(arrays: Mapping[str, np.ndarray[Any, Any]], metadata: Mapping[str, str]) -> str:
    digest = hashlib.sha256(json.dumps(sorted(metadata.items())).encode())
    for name in sorted(arrays):
        digest.update(f"{name}{arrays[name].shape}{arrays[name].dtype}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()


def read_file(path: str | Path) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, str]]:
    """Return a model file's arrays and metadata, both whole.

    Raises
    ------
    CheckpointError
        If it cannot be read, is no model of Lamina or one of a newer format, or is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe would be waited for
            raise OSError("it is no file")
        with safe_open(path, framework="numpy") as file:
            metadata: dict[str, str] = dict(file.metadata() or {})
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except FileNotFoundError as error:
        raise CheckpointError(f"{str(path)!r}: there is no such file") from error
    except (SafetensorError, OSError, TypeError, ValueError) as error:
        raise CheckpointError(f"{str(path)!r}: no readable safetensors file ({error})") from error
    if "lamina_format" not in metadata:
        raise CheckpointError(f"{str(path)!r}: a safetensors file, but not one that Lamina wrote")
    written = metadata["lamina_format"]
    if not written.isdecimal() or int(written) > _FORMAT:
        raise CheckpointError(
            f"{str(path)!r}: written in model format {written}, this Lamina reads up to {_FORMAT}; upgrade lamina"
        )
    checksum = metadata.pop("checksum", None)
    if _checksum(arrays, metadata) != checksum:
        raise CheckpointError(f"{str(path)!r}: damaged: its content does not match its checksum")
    return arrays, metadata
