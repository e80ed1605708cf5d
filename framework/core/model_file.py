"""Model files: weights in safetensors, architecture and facts beside them as JSON; nothing is ever unpickled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lamina.core.bounds import Budget, require_bounded
from lamina.core.config import describe
from lamina.core.finite import warn_non_finite
from lamina.core.metadata import read_json
from lamina.core.model_bytes import read_arrays, to_bytes
from lamina.core.registry import Registry
from lamina.core.transfer import load_parameters, ties
from lamina.core.tree import Tree
from lamina.errors import CheckpointError
from lamina.files import write_file
from lamina.files.printable import printable

__all__ = ["checksum_of", "load_weights", "metadata_of", "read_file", "require_savable", "save"]

# Raised by one when an older Lamina could not read the file rightly.
_FORMAT = 1


def save(model: Tree, path: str | Path) -> None:
    """Write a built model to a safetensors file, whole or not at all; the same model gives the same bytes.

    Raises
    ------
    NotBuiltError
        If the model is not built.
    CheckpointError
        If a layer's class is not registered, an argument or fact is nothing that JSON can hold, or it could not be
        loaded again: with more layers than a file may have, or deeper in each other.
    OutputError
        If the file cannot be written.
    """
    arrays, metadata = model.state_dict(), metadata_of(model)
    write_file(path, *to_bytes(arrays, {**metadata, "checksum": checksum_of(arrays, metadata)}))


def metadata_of(model: Tree) -> dict[str, str]:
    """Return what a file tells of a built model beside its weights; see `save` for what is raised."""
    return {
        "lamina_format": str(_FORMAT),
        "architecture": _architecture(model),
        "input_shapes": json.dumps(model.input_shapes),
        "dtype": model.dtype,
        "facts": _json(model.facts, "facts"),
        "ties": json.dumps(ties(model)),
        "frozen": json.dumps(_frozen(model)),
    }


def load_weights(model: Tree, path: str | Path) -> None:
    """Set a built model's parameters from a file; nothing is changed unless all of them fit.

    `NonFiniteWarning` is given where one is NaN or infinite.

    Raises
    ------
    CheckpointError
        If the file cannot be read, or its arrays do not fit.
    """
    arrays, _ = read_file(path)
    load_parameters(model, arrays, source=repr(str(path)))
    warn_non_finite(model.named_parameters().values(), repr(str(path)))


def require_savable(model: Tree) -> None:
    """Raise `CheckpointError` where `save` would; to be called before long work whose result is to be saved."""
    _architecture(model)
    _json(model.facts, "facts")


def _frozen(model: Tree) -> list[str]:
    return [name for name, parameter in model.named_parameters().items() if not parameter.trainable]


def _architecture(model: Tree) -> str:
    text = _json(describe(model), "architecture")
    registry: Registry[Any] = model.registry  # type: ignore[attr-defined]  # a layer's
    try:
        require_bounded(
            json.loads(text), lambda kind, name: registry.find(name)._copies if kind == registry.kind else 1
        )
        budget = Budget()
        for _, layer in model.walk():
            for shapes in layer.places:
                budget(layer, shapes)
                budget(layer, layer.output_shape if isinstance(layer.output_shape[0], tuple) else (layer.output_shape,))
    except CheckpointError as error:
        raise CheckpointError(f"cannot save the model: {error}") from error
    return text


def _json(value: Any, what: str) -> str:
    try:
        text = json.dumps(value)
        read_json(text, what)
    except (TypeError, ValueError, RecursionError, CheckpointError) as error:
        raise CheckpointError(f"cannot save the model's {what} as JSON: {error}") from error
    return text


def checksum_of(arrays: Mapping[str, np.ndarray[Any, Any]], metadata: Mapping[str, str]) -> str:
    """Return the checksum of a file's arrays and of its other metadata: of damage it tells, of intent it does not."""
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
    source = repr(str(path))
    try:
        arrays, metadata = read_arrays(path)
    except CheckpointError as error:
        raise CheckpointError(f"{source}: {printable(str(error))}") from error
    if "lamina_format" not in metadata:
        raise CheckpointError(f"{source}: a safetensors file, but not one that Lamina wrote")
    written = metadata["lamina_format"]
    if not written.isdecimal() or len(written) > 9 or int(written) > _FORMAT:
        raise CheckpointError(
            f"{source}: written in model format {printable(written[:40])}, this Lamina reads up to {_FORMAT}; "
            "upgrade lamina"
        )
    checksum = metadata.pop("checksum", None)
    if checksum_of(arrays, metadata) != checksum:
        raise CheckpointError(f"{source}: damaged: its content does not match its checksum")
    return arrays, metadata
