"""Hostile checkpoints: sound ones with parts changed, whose checksums are right all the same, and damaged ones."""

from __future__ import annotations

import contextlib
import tempfile
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from lamina.callbacks import CSVLog, EarlyStopping, JSONLinesLog
from lamina.checkpoints.store import Content, Store, as_bytes
from lamina.compose.sequential import Sequential
from lamina.errors import CheckpointError, LaminaError
from lamina.layers import GRU, BatchNorm, Dense, Dropout
from lamina.optimizers import Adam
from lamina.optimizers.schedules import CosineDecay, ReduceOnPlateau
from lamina.testing.ending import EndAfter, Ended
from lamina.testing.fuzz.damage import damaged
from lamina.testing.fuzz.reading import FAILED
from lamina.train.trainer import Trainer

__all__ = ["make", "outcome"]

_STRANGE: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 7, 2**31, 2**63, 2**64, 10**30, -(10**30), 10**400, 0.0, -0.5, 1e-300, 1e300),
    *(
        float("nan"),
        float("inf"),
        "",
        "x",
        "nan",
        "0",
        "\x1b[2J",
        "é" * 300,
        [],
        [[]],
        [1],
        [None],
        {},
        {"a": 1},
        (),
        (1,),
    ),
    *({"epoch": 0}, {"seed": 0, "calls": -1}, np.zeros(0), np.ones(1), np.ones((2, 3)), np.full(3, np.nan)),
    np.array(["a"]),
    *(np.ones((1, 1, 1, 1), "int8"), np.float32(1), np.random.default_rng(0)),
)


def make(rng: np.random.Generator) -> bytes:
    """Return the bytes of a checkpoint that is sound, or wrong in one to four ways.

    Parameters
    ----------
    rng : Generator
        The same bytes for the same state.
    """
    sound = _sound()
    content = sound[int(rng.integers(len(sound)))]
    for _ in range(int(rng.integers(4))):
        content = _changed(content, rng)
    try:
        data = b"".join(as_bytes(content))
    except (CheckpointError, ValueError):
        return rng.bytes(int(rng.integers(200)))
    if rng.random() < 0.3:
        data = damaged(data, rng)
    return data


def outcome(content: bytes, folder: str | Path) -> str:
    """Return what becomes of a run that finds it: it goes on, or is refused as it should be, or something is broken.

    Parameters
    ----------
    content : bytes
    folder : str or Path
        What checkpoints are there are replaced.

    Returns
    -------
    str
        ``"went on"``; ``"refused: "`` and the name of the error, one of Lamina's in one line; or `FAILED` and another.
    """
    place = Path(folder)
    for old in place.glob("checkpoint-*"):
        old.unlink()
    (place / "checkpoint-000000003.safetensors").write_bytes(content)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            _run(place)
    except LaminaError as error:
        if len(str(error).splitlines()) != 1:
            return f"{FAILED}{type(error).__name__} of several lines: {str(error)[:200]!r}"
        return f"refused: {type(error).__name__}"
    except Exception as error:
        return f"{FAILED}{type(error).__name__}: {error}"[:500]
    return "went on"


def _run(folder: Path, left: int = -1) -> None:
    end = EndAfter()
    end.left = left
    x = np.random.default_rng(0).normal(size=(9, 3, 2))
    model = Sequential(GRU(2), BatchNorm(), Dropout(0.3), Dense(2))
    beside = [EarlyStopping("loss", 2), ReduceOnPlateau("loss"), CosineDecay(4), CSVLog(folder / "log.csv"), end]
    beside.insert(0, JSONLinesLog(folder / "log.jsonl"))
    trainer = Trainer(model, optimizer=lambda own: Adam(own, clip_norm=1.0), metrics="accuracy", callbacks=beside)
    y = np.arange(9) % 2
    trainer.fit(x, y, epochs=3, batch_size=4, checkpoint=folder, every=1, keep=9, verbose=False)


@cache
def _sound() -> tuple[Content, ...]:
    """Return the content of checkpoints of a run: within an epoch, between two, at its end, and of a finished one."""
    found = []
    for left in (3, 4, 6, 8, -1):
        with tempfile.TemporaryDirectory() as folder:
            with contextlib.suppress(Ended):
                _run(Path(folder), left)
            content, _ = Store(Path(folder), 9).latest()
            assert content is not None
            found.append(content)
    return tuple(found)


def _changed(value: Any, rng: np.random.Generator) -> Any:
    """Return a value with something in it changed, taken away, doubled or put in its place."""
    inside = isinstance(value, (dict, list, tuple)) and len(value) and rng.random() < 0.9
    if isinstance(value, dict) and inside:
        key = list(value)[int(rng.integers(len(value)))]
        if rng.random() < 0.05:
            return {name: one for name, one in value.items() if name != key}
        if rng.random() < 0.05:
            return value | {"more": _strange(rng)}
        return value | {key: _changed(value[key], rng)}
    if isinstance(value, (list, tuple)) and inside:
        items, place = list(value), int(rng.integers(len(value)))
        if rng.random() < 0.1:
            items = items[:place] if rng.random() < 0.5 else items + items
        else:
            items[place] = _changed(items[place], rng)
        return type(value)(items)
    if isinstance(value, np.ndarray) and value.size and value.dtype.kind in "fiu" and rng.random() < 0.5:
        other = value.copy()
        other.reshape(-1)[int(rng.integers(value.size))] = (0, 1, 3, 127, 9)[int(rng.integers(5))]
        return np.nan_to_num(other).astype("int32") if rng.random() < 0.2 else other
    return _strange(rng)


def _strange(rng: np.random.Generator) -> Any:
    return _STRANGE[int(rng.integers(len(_STRANGE)))]
