"""What a run is known by: hashes of its data, and its settings as JSON can hold them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from lamina.core.config import Configured, arguments_of
from lamina.core.config import describe as described
from lamina.core.layer import Layer
from lamina.core.packed import pack
from lamina.data.rows import Columns, Items
from lamina.data.shapes import Data
from lamina.errors import CheckpointError, shown
from lamina.optimization.joint import JointOptimizer
from lamina.optimization.optimizer import Optimizer

__all__ = ["hash_of", "model_settings", "optimizer_settings", "plain", "require_same", "rows_settings"]

# How many rows are read of data that lie on a disk, to know them by.
_LOOKED_AT = 64
_SHOWN = 120


def hash_of(value: Any) -> str:
    """Return the SHA-256 of arrays, nested in tuples or dicts; of equal ones it is the same."""
    digest = hashlib.sha256()
    _add(digest, value)
    return digest.hexdigest()


def _add(digest: Any, value: Any) -> None:
    if isinstance(value, (tuple, list)):
        digest.update(b"(%d" % len(value))
        for one in value:
            _add(digest, one)
    elif value is None:
        digest.update(b"-")
    else:
        array = np.ascontiguousarray(value)
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(array.data if array.size and array.dtype.kind not in "OMm" else array.tobytes())


def rows_settings(data: Data | None, source: Any = None) -> str:
    """Return what tells data from others: a hash of arrays, or of some rows on a disk, or how many rows there are.

    Parameters
    ----------
    data : Data or None
        In memory.
    source : Rows, Batches or None
        What is read piece by piece. An object that gives rows, or batches, may draw them at random, and is not read.
    """
    if data is not None:
        return f"sha256 {hash_of((data.inputs, data.target, data.lengths, data.weights))}"
    if isinstance(source, Columns):
        picked = np.unique(np.linspace(0, source.rows - 1, _LOOKED_AT).astype(np.int64))
        some = source.take(picked)
        return f"{source.rows} rows, sha256 of some {hash_of((some.inputs, some.target, some.lengths, some.weights))}"
    if isinstance(source, Items):
        return f"{source.rows} rows"
    return f"{source.count} batches" if getattr(source, "count", None) is not None else "batches"


def model_settings(model: Layer) -> Any:
    """Return a model's architecture; of one with layers that no file can hold, how it prints."""
    try:
        architecture = described(model)
    except CheckpointError:
        architecture = repr(model)
    return {"architecture": architecture, "shapes": [list(shape) for shape in model.input_shapes], "dtype": model.dtype}


def optimizer_settings(optimizer: Optimizer) -> Any:
    """Return an optimizer's class and settings, with the rate that it was made with."""
    if isinstance(optimizer, JointOptimizer):
        return {name: optimizer_settings(member) for name, member in optimizer.members.items()}
    settings = {}
    for name in arguments_of(type(optimizer)):
        value = getattr(optimizer, name, None)
        if name not in ("parameters", "lr"):
            settings[name] = optimizer_settings(value) if isinstance(value, Optimizer) else plain(value)
    return {"class": optimizer.label, "lr": optimizer._first_lr, **settings}


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it: a part by its class and settings, an array by a hash, a function by name."""
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, np.ndarray):
        return hash_of(value)
    if isinstance(value, Configured) or hasattr(value, "on_epoch_end"):
        own = vars(value)
        taken = {name: plain(own[name]) for name in arguments_of(type(value)) if name in own}
        return {"class": type(value).__name__, **taken}
    try:
        return pack(value, None)
    except CheckpointError:
        return getattr(value, "__qualname__", type(value).__name__)


def require_same(folder: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise `CheckpointError`, naming the first setting that differs, unless a run is the one that was begun."""
    for name in [*now, *before]:
        old, new = before.get(name), now.get(name)
        if pack(old, None) != pack(new, None):
            before_it, now_it = (shown(one, _SHOWN) for one in _where_they_differ(old, new))
            raise CheckpointError(
                f"{folder!r}: the run that it holds is another one: its {name} {_is_or_are(name)} {before_it}, this "
                f"call's {now_it}; give this run another folder"
            )


def _where_they_differ(old: Any, new: Any) -> tuple[Any, Any]:
    """Return the parts of two settings that differ: as small as they can be named."""
    if isinstance(old, dict) and isinstance(new, dict) and set(old) == set(new):
        differing = [key for key in old if pack(old[key], None) != pack(new[key], None)]
        if len(differing) == 1 and isinstance(old[differing[0]], dict) and isinstance(new[differing[0]], dict):
            return _where_they_differ(old[differing[0]], new[differing[0]])
        return {key: old[key] for key in differing}, {key: new[key] for key in differing}
    return old, new


def _is_or_are(name: str) -> str:
    return "are" if name.endswith("s") and name != "loss" else "is"
