"""What a model file says beside its weights: entries of JSON, read as what they must be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from lamina.core.bounds import MOST_ARGUMENTS, MOST_FACTS_NESTING, MOST_NESTING, MOST_VALUES, require_plain
from lamina.core.build import find_dtype
from lamina.errors import CheckpointError, LaminaError, shown

__all__ = ["Metadata", "read_json", "read_metadata"]


class Metadata(NamedTuple):
    """What is known of a model.

    Attributes
    ----------
    architecture : JSON
        As `describe` gives it.
    input_shapes : list
    dtype : str
    facts : dict
    ties : dict of str to str
        By path: the first path of the same parameter.
    frozen : frozenset of str
    """

    architecture: Any
    input_shapes: list[Any]
    dtype: str
    facts: dict[str, Any]
    ties: dict[str, str]
    frozen: frozenset[str]


def read_metadata(metadata: Mapping[str, str]) -> Metadata:
    """Return what a file's metadata say.

    Raises
    ------
    CheckpointError
        If an entry is missing, is no JSON or too much of it, or something else than it must be; without the file's
        name.
    """
    try:
        ties = _entry(metadata, "ties", dict)
        frozen = _entry(metadata, "frozen", list)
        if not all(isinstance(name, str) for name in (*ties.values(), *frozen)):
            raise CheckpointError("ties or frozen hold something else than names")
        return Metadata(
            _json(metadata, "architecture"),
            _entry(metadata, "input_shapes", list),
            find_dtype(_text(metadata, "dtype")),
            _entry(metadata, "facts", dict),
            ties,
            frozenset(frozen),
        )
    except LaminaError as error:
        raise CheckpointError(f"damaged metadata ({error})") from error


def _text(metadata: Mapping[str, str], name: str) -> str:
    if name not in metadata:
        raise CheckpointError(f"there is no entry {name!r}")
    return metadata[name]


def _entry(metadata: Mapping[str, str], name: str, kind: type) -> Any:
    found = _json(metadata, name)
    if not isinstance(found, kind):
        raise CheckpointError(f"{name}: expected {'a list' if kind is list else 'an object'}, got {shown(found, 60)}")
    return found


def _json(metadata: Mapping[str, str], name: str) -> Any:
    return read_json(_text(metadata, name), name)


def read_json(text: str, what: str) -> Any:
    """Return what JSON says, or raise `CheckpointError`: also where that is too much, or nested too deep."""
    values, nesting = (MOST_ARGUMENTS, MOST_NESTING) if what == "architecture" else (MOST_VALUES, MOST_FACTS_NESTING)
    if sum(map(text.count, ",[{")) > values:  # no fewer than there are
        raise CheckpointError(f"{what}: expected at most {values} values")
    try:
        found = json.loads(text)
    except RecursionError as error:
        raise CheckpointError(f"{what}: lists and objects stand too deep in each other") from error
    except ValueError as error:  # no JSON, or a number of more digits than Python reads
        raise CheckpointError(f"{what}: {error}") from error
    require_plain(found, what, nesting)
    return found
