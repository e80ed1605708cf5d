"""Hostile model files: those of every layer, changed at random, most with a checksum that is right again."""

from __future__ import annotations

import copy
import json
import re
import tempfile
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError

from lamina.core.config import describe
from lamina.core.load import load
from lamina.core.model_bytes import read_arrays
from lamina.core.model_file import checksum_of, save
from lamina.errors import LaminaError
from lamina.layers import Lambda
from lamina.testing.cases import layer_cases
from lamina.testing.fuzz.damage import damaged
from lamina.testing.fuzz.reading import FAILED

__all__ = ["HOSTILE", "make", "outcome"]

Generator = np.random.Generator

# What Python says of arguments that a class does not take, and of shapes that are too many or too few for ``build``.
_TAKEN = re.compile(
    "unexpected keyword|takes no arguments|missing .* required|must be an iterable|positional argument|must be strings"
)

#: Values that no argument has, or only just.
HOSTILE: tuple[Any, ...] = (
    *(0, -1, 1, 2, 3, 7, 255, 2**31 - 1, 2**31, 2**63 - 1, 2**63, -(2**63), 10**9, 10**18, 10**400, -(10**400)),
    *(0.5, -0.0, 1e308, 1e-320, float("nan"), float("inf"), float("-inf"), True, False, None),
    *("", "tanh", "same", "\x1b[31mred", "\u202egnp.exe", "\ud800", "a\nb", "x" * 5000, "0.w", "__class__"),
    *([], [[]], [None], [0, 0], [1, 2], [-1], [2**31 - 1] * 40, [1] * 3000, ["a", "b"], {}, {"a": 1}),
    *({"dict": {}}, {"dict": {"a": [1]}}, {"same": 0}, {"same": 1}, {"same": -1}, {"same": 10**9}, {"same": None}),
    *({"layer": "Tanh", "config": {}}, {"layer": "Dense", "config": {"units": 2}}, {"layer": "Dense"}),
    {"layer": "LSTM", "config": {"units": 3, "return_sequences": True, "return_state": True}},
    *({"initializer": "Zeros", "config": {}}, {"initializer": "Side", "config": {"blocks": []}}),
    {"initializer": "Side", "config": {"blocks": ["zeros"] * 2000}},
)


class _Content(NamedTuple):
    """A model file's content, before it is written."""

    arrays: dict[str, Any]
    metadata: dict[str, str]


def make(rng: Generator) -> bytes:
    """Return the bytes of one hostile model file, which follow from the generator's state alone."""
    files = _files()
    sound = files[int(rng.integers(len(files)))]
    content = _Content(dict(sound.arrays), dict(sound.metadata))
    for _ in range(int(rng.integers(1, 4))):
        _CHANGES[int(rng.choice(len(_CHANGES), p=_ODDS))](content, rng)
    if rng.random() < 0.95:
        content.metadata["checksum"] = checksum_of(content.arrays, _without_checksum(content.metadata))
    header, data = _laid_out(content)
    if rng.random() < 0.03:
        header = _changed(header, rng)
    text = json.dumps(header).encode()
    whole = len(text).to_bytes(8, "little") + text + data
    return damaged(whole, rng) if rng.random() < 0.03 else whole


def outcome(content: bytes, folder: str | Path) -> str:
    """Return what becomes of a model file.

    Parameters
    ----------
    content : bytes
    folder : str or Path
        Where the file may be written.

    Returns
    -------
    str
        ``"loaded"``, and then also described, as ``lamina info`` does; ``"refused: "`` and the error's class; or
        `FAILED` and another error, also one that `load` found in a layer's own code and told as its own.
    """
    path = Path(folder) / "model.safetensors"
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model = load(path)
            assert str(model.summary()) and repr(model)
        except LaminaError as error:
            return _kind(error)
        except Exception as error:
            return f"{FAILED}{type(error).__name__}: {error}"[:500]
    return "loaded"


def _kind(error: LaminaError) -> str:
    """Return the outcome of a refused file: what a layer's own code raises is to be Lamina's from the start."""
    if len(str(error).splitlines()) != 1:
        return f"{FAILED}{type(error).__name__} of several lines: {str(error)[:200]!r}"
    cause: BaseException | None = error
    while cause is not None:
        own = isinstance(cause, (LaminaError, SafetensorError, OSError)) or "damaged metadata" in str(error)
        if not (own or "no readable safetensors file" in str(error) or _TAKEN.search(str(cause))):
            return f"{FAILED}{type(cause).__name__} in a layer: {cause}"[:500]
        cause = cause.__cause__
    return f"refused: {type(error).__name__}"


@cache
def _files() -> tuple[_Content, ...]:
    """Return the content of a sound file for each case of the layers that a file can hold."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        for case in layer_cases():
            model = case.make()
            if isinstance(model, Lambda):
                continue  # its function is whoever's, and so are that one's errors
            try:
                describe(model)
            except LaminaError:
                continue  # of a class that is not registered, or with a function without a name
            model.build(*(one if isinstance(one, tuple) else one.shape for one in case.inputs), seed=0)
            save(model, path)
            found.append(_Content(*read_arrays(path)))
    return tuple(found)


def _without_checksum(metadata: dict[str, str]) -> dict[str, str]:
    return {name: text for name, text in metadata.items() if name != "checksum"}


def _laid_out(content: _Content) -> tuple[dict[str, Any], bytes]:
    """Return a header as the format has it, and the data that it tells of."""
    kinds = {"f": "F", "i": "I", "u": "U", "b": "BOOL"}
    header: dict[str, Any] = {"__metadata__": content.metadata}
    pieces, place = [], 0
    for name, array in content.arrays.items():
        piece, kind = array.tobytes(), array.dtype.kind
        size = "" if kind == "b" else str(8 * array.dtype.itemsize)
        offsets = [place, place + len(piece)]
        header[name] = {"dtype": kinds[kind] + size, "shape": list(array.shape), "data_offsets": offsets}
        pieces.append(piece)
        place += len(piece)
    return header, b"".join(pieces)


# Changes of JSON.


def _hostile(rng: Generator) -> Any:
    return copy.deepcopy(HOSTILE[int(rng.integers(len(HOSTILE)))])


def _places(value: Any, found: list[tuple[Any, Any, bool]] | None = None) -> list[tuple[Any, Any, bool]]:
    """Return where the values in a JSON value stand: what holds each, its key there, and whether it is an argument."""
    found = [] if found is None else found
    if isinstance(value, (dict, list)):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            if key == "config" and isinstance(value[key], dict):
                found += [(value[key], name, True) for name in value[key]]
            found.append((value, key, False))
            _places(value[key], found)
    return found


def _changed(value: Any, rng: Generator) -> Any:
    """Change a JSON value in place, or another for it: one in it is hostile, doubled, wrapped, moved or left out."""
    places = _places(value)
    arguments = [place for place in places if place[2]]
    if not places or rng.random() < 0.01:
        return _hostile(rng)
    chosen = arguments if arguments and rng.random() < 0.7 else places
    holder, key, _ = chosen[int(rng.integers(len(chosen)))]
    own = holder[key]
    way = int(rng.integers(8))
    if way == 0:
        del holder[key]
    elif way == 1:
        other, name, _ = chosen[int(rng.integers(len(chosen)))]
        holder[key] = copy.deepcopy(other[name])
    elif way == 2 and isinstance(holder, dict):
        holder[str(_hostile(rng))] = own
    elif way == 3 and isinstance(holder, list):
        holder += [copy.deepcopy(own) for _ in range(int(10 ** rng.uniform(0, 3)))]
    elif way == 4:
        for _ in range(int(2 ** rng.uniform(0, 8))):
            own = {"layer": "Sequential", "config": {"layers": [own]}}
        holder[key] = own
    elif way == 5:
        number = int(rng.integers(6))
        for _ in range(int(rng.integers(1, 30))):
            own = {"layer": "Sequential", "config": {"layers": [own, {"same": number}]}}
            number += 1
        holder[key] = own
    else:
        holder[key] = _hostile(rng)
    return value


def _change_entry(content: _Content, rng: Generator) -> None:
    """Change an entry's JSON, of the architecture mostly."""
    names = (*["architecture"] * 12, *["input_shapes"] * 4, "facts", "ties", "frozen")
    name = names[int(rng.integers(len(names)))]
    # It may have been changed before, into no JSON, or into some too deep to be changed again.
    with suppress(KeyError, ValueError, RecursionError):
        content.metadata[name] = json.dumps(_changed(json.loads(content.metadata[name]), rng))


def _change_names(content: _Content, rng: Generator) -> None:
    """Tie or freeze parameters, which may be there or not."""
    names = [*content.arrays, "x", "0", "", "\x1b[2J", "0.w", "layers.0"]

    def drawn(most: int) -> list[str]:
        return [names[int(rng.integers(len(names)))] for _ in range(int(rng.integers(1, most)))]

    if rng.random() < 0.5:
        content.metadata["frozen"] = json.dumps(drawn(6))
    else:
        content.metadata["ties"] = json.dumps(dict(zip(drawn(4), drawn(4), strict=False)))


def _change_text(content: _Content, rng: Generator) -> None:
    """Change an entry that may be no JSON any more."""
    name = list(content.metadata)[int(rng.integers(len(content.metadata)))]
    text = content.metadata[name]
    way = int(rng.integers(6))
    if way == 0:
        del content.metadata[name]
    elif way == 1:
        content.metadata[name] = "[" * int(10 ** rng.uniform(1, 5))
    elif way == 2:
        content.metadata[name] = "9" * int(10 ** rng.uniform(0, 4))
    elif way == 3:
        content.metadata[name] = text[: int(rng.integers(len(text) + 1))]
    elif way == 4:
        content.metadata[name] = '{"a":' * int(10 ** rng.uniform(0, 3)) + "1" + "}" * int(10 ** rng.uniform(0, 3))
    else:
        content.metadata[name] = str(_hostile(rng)).encode("utf-8", "replace").decode()


# Changes of arrays.

_KINDS = ["float16", "float32", "float64", "int8", "int32", "int64", "uint8", "uint64", "bool"]


def _change_array(content: _Content, rng: Generator) -> None:
    """Give an array another shape, dtype, name or content; leave it out, or add one."""
    if not content.arrays:
        content.arrays["x"] = np.zeros(2, np.float32)
        return
    names = list(content.arrays)
    name = names[int(rng.integers(len(names)))]
    array = content.arrays[name]
    way = int(rng.integers(8))
    if way == 0:
        del content.arrays[name]
    elif way == 1:
        content.arrays[str(_hostile(rng)).encode("utf-8", "replace").decode()] = array
    elif way == 2:
        content.arrays[name] = array.reshape(-1)
    elif way == 3:
        content.arrays[name] = array.reshape(-1, *[1] * int(rng.integers(1, 60)))[:0]
    elif way == 4:
        with np.errstate(all="ignore"):
            content.arrays[name] = array.astype(_KINDS[int(rng.integers(len(_KINDS)))])
    elif way == 5:
        content.arrays[name] = np.zeros((0, 2**40), np.float32)
    elif way == 6 and array.dtype.kind == "f" and array.size:
        array = array.copy()
        array.flat[int(rng.integers(array.size))] = rng.choice([np.nan, np.inf, -np.inf, 3e38])
        content.arrays[name] = array
    else:
        content.arrays[name] = np.concatenate([array.reshape(-1)] * 2)


_CHANGES: tuple[Callable[[_Content, Generator], None], ...] = (
    _change_entry,
    _change_names,
    _change_text,
    _change_array,
)
_ODDS = (0.79, 0.07, 0.03, 0.11)
