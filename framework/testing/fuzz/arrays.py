"""Hostile arrays: every dtype, order of bytes, stride and shape, given to a model as data, lengths and targets.

What is taken must come to what the same values come to as plain arrays; the rest is refused by type.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from lamina.compose.sequential import Sequential
from lamina.compose.stream import Stream
from lamina.core.layer import Layer
from lamina.errors import LaminaError
from lamina.layers import GRU, LSTM, Dense, Embedding, SimpleRNN
from lamina.testing.fuzz.reading import FAILED
from lamina.train.trainer import Trainer

__all__ = ["Given", "make", "outcome"]

_DTYPES = (
    *("float32", "float64", "float16", ">f4", ">f8", "longdouble", "int8", "uint8", ">i2", "int64", ">u4", "bool"),
    *("complex64", "complex128", "<U4", "S3", "datetime64[s]", "timedelta64[D]", "object", "V4"),
)
_VALUES = (0.0, -0.0, 1.0, -1.0, 1e-45, 1e-300, 1e38, 1e300, 255.0, 2.0**31, 2.0**63, np.inf, -np.inf, np.nan)
_TASKS = ("predict", "call", "evaluate", "fit", "stream", "train_on_batch")


class Given(NamedTuple):
    """What a model is given.

    Attributes
    ----------
    task : str
        What is done with it.
    reads_integers : bool
        Whether the model begins with an Embedding.
    tags : bool
        Whether each step has a label.
    x, y, lengths, weights : object
    """

    task: str
    reads_integers: bool
    tags: bool
    x: Any
    y: Any
    lengths: Any
    weights: Any


def make(rng: np.random.Generator) -> Given:
    """Return data that are sound, but lie oddly, or wrong in a way or two.

    Parameters
    ----------
    rng : Generator
        The same data for the same state.
    """
    reads_integers, tags = bool(rng.random() < 0.3), bool(rng.random() < 0.3)
    rows, time = (int(one) for one in rng.integers(1, 6, 2))
    x: Any = rng.integers(0, 7, (rows, time)) if reads_integers else rng.normal(size=(rows, time, 3))
    y: Any = rng.integers(0, 4, (rows, time) if tags else rows)
    lengths: Any = rng.integers(1, time + 1, rows) if rng.random() < 0.5 else None
    weights: Any = rng.random(rows) if rng.random() < 0.3 else None
    parts = [x, y, lengths, weights]
    for _ in range(int(rng.integers(3))):
        place = int(rng.integers(4))
        if isinstance(parts[place], np.ndarray):
            parts[place] = _pick(rng, _FAULTS)(parts[place], rng)
    parts = [_laid(one, rng) for one in parts]
    return Given(_pick(rng, _TASKS), reads_integers, tags, *parts)


def outcome(given: Given, folder: Any = None) -> str:
    """Return what becomes of it.

    Parameters
    ----------
    given : Given
    folder : str or Path, optional
        As other kinds take one; nothing is written.

    Returns
    -------
    str
        ``"taken"``; ``"refused: "`` and the name of the error, one of Lamina's in one line; or `FAILED` and what is
        wrong: another error, something written into, or a result that is not that of plain arrays.
    """
    before = [_copied(one) for one in given[3:]]
    found = _result(given)
    if isinstance(found, str):
        return found
    if not all(map(_same, before, given[3:])):
        return f"{FAILED}{given.task}: something given was written into"
    plain = _result(given._replace(**{name: _plain(getattr(given, name)) for name in ("x", "y", "lengths", "weights")}))
    if isinstance(plain, str):
        return f"{FAILED}{given.task}: taken, but as plain arrays {plain}"
    if len(plain) != len(found) or not all(map(_close, found, plain)):
        return f"{FAILED}{given.task}: another result than of plain arrays"
    return "taken"


def _result(given: Given) -> Any:
    """Return what a task gives, as a list of arrays, or how it was refused."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return _TASK[given.task](_model(given), given)
    except LaminaError as error:
        if len(str(error).splitlines()) != 1 or len(str(error)) > 1000:
            return f"{FAILED}{type(error).__name__} of several lines, or long: {str(error)[:300]!r}"
        return f"refused: {type(error).__name__}"
    except Exception as error:
        return f"{FAILED}{given.task}: {type(error).__name__}: {error}"[:500]


def _model(given: Given) -> Layer:
    cell = LSTM(3, return_sequences=True) if given.tags else GRU(3)
    first = [Embedding(7, 3)] if given.reads_integers else [SimpleRNN(3, return_sequences=True)]
    model = Sequential(*first, cell, Dense(4))
    model.build((None, None) if given.reads_integers else (None, None, 3), seed=0)
    return model


def _fit(model: Layer, given: Given) -> list[Any]:
    trainer = Trainer(model, optimizer="sgd")
    options = {"lengths": given.lengths, "sample_weight": given.weights}
    history = trainer.fit(given.x, given.y, epochs=1, batch_size=2, shuffle=False, verbose=False, **options)
    return [history["loss"], *model.state_dict().values()]


def _step(model: Layer, given: Given) -> list[Any]:
    trainer = Trainer(model, optimizer="sgd")
    figures = trainer.train_on_batch(given.x, given.y, lengths=given.lengths, sample_weight=given.weights)
    return [figures["loss"], *model.state_dict().values()]


def _evaluate(model: Layer, given: Given) -> list[Any]:
    options = {"lengths": given.lengths, "sample_weight": given.weights}
    return list(Trainer(model, metrics="accuracy").evaluate(given.x, given.y, **options).values())


def _stream(model: Layer, given: Given) -> list[Any]:
    return [Stream(model)(given.x, lengths=given.lengths)]


_TASK: dict[str, Callable[[Layer, Given], list[Any]]] = {
    "predict": lambda model, given: list(Trainer(model).predict(given.x, lengths=given.lengths)),
    "call": lambda model, given: [model(given.x, lengths=given.lengths)],
    "evaluate": _evaluate,
    "fit": _fit,
    "train_on_batch": _step,
    "stream": _stream,
}


def _pick(rng: np.random.Generator, among: Any) -> Any:
    return among[int(rng.integers(len(among)))]


def _other_dtype(array: Any, rng: np.random.Generator) -> Any:
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.asarray(array).astype(_pick(rng, _DTYPES))
    except (TypeError, ValueError, OverflowError, RuntimeError):
        return array


def _other_value(array: Any, rng: np.random.Generator) -> Any:
    changed = np.array(array)
    if changed.size and changed.dtype.kind in "fiu":
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            changed.reshape(-1)[int(rng.integers(changed.size))] = np.asarray(_pick(rng, _VALUES)).astype(changed.dtype)
    return changed


def _other_shape(array: Any, rng: np.random.Generator) -> Any:
    array = np.asarray(array)
    kind = int(rng.integers(6))
    if kind == 0:
        return array[..., None]
    if kind == 1:
        return array[:0]
    if kind == 2:
        return array[0] if len(array) else array
    if kind == 3:
        return np.concatenate([array, array])
    if kind == 4:
        return array.reshape(-1)
    return array[:, :0] if array.ndim > 1 else array[:-1]


def _other_kind(array: Any, rng: np.random.Generator) -> Any:
    kind = int(rng.integers(7))
    array = np.asarray(array)
    if kind == 0:
        return array.tolist()
    if kind == 1:
        return [one[: int(rng.integers(len(one) + 1))] if array.ndim > 1 else one for one in array]
    if kind == 2:
        return None
    if kind == 3:
        return _pick(rng, (3, "text", b"bytes", {}, {"a": 1}, object(), 1.5, float("nan"), [], [[]], [None], ()))
    if kind == 4:
        return np.ma.masked_array(array, np.zeros(array.shape, bool))
    if kind == 5:
        return [array.tolist(), [array.tolist()]]
    plain: Any = np.ascontiguousarray(array)
    return memoryview(plain) if array.dtype.kind in "fiu" and array.dtype.isnative else array


_FAULTS = (_other_dtype, _other_dtype, _other_value, _other_shape, _other_kind)


def _laid(array: Any, rng: np.random.Generator) -> Any:
    """Return the same values laid out in another way."""
    if type(array) is not np.ndarray or not array.ndim or not array.size or array.dtype.kind == "O":
        return array
    kind = int(rng.integers(7))
    if kind == 0:
        return np.asfortranarray(array)
    if kind == 1:
        return array[::-1].copy()[::-1]
    if kind == 2:
        wide = np.repeat(array, 2, axis=-1)
        return wide[..., ::2]
    if kind == 3:
        whole = np.zeros(array.nbytes + 1, np.uint8)
        found = whole[1:].view(array.dtype).reshape(array.shape)  # at an odd address
        found[...] = array
        return found
    if kind == 4:
        array = array.copy()
        array.setflags(write=False)
        return array
    if kind == 5 and array.dtype.kind in "fiuc":
        return array.astype(array.dtype.newbyteorder())
    return array


def _plain(value: Any) -> Any:
    """Return the same values as an array as it usually lies."""
    if type(value) is not np.ndarray or value.dtype.kind not in "fiub":
        return value
    return np.array(value, dtype=value.dtype.newbyteorder("="), order="C")


def _copied(value: Any) -> Any:
    return value.copy() if isinstance(value, np.ndarray) else value


def _same(one: Any, other: Any) -> bool:
    if not isinstance(one, np.ndarray):
        return True
    return bool(one.tobytes() == other.tobytes())


def _close(one: Any, other: Any) -> bool:
    return bool(np.allclose(np.asarray(one), np.asarray(other), rtol=1e-5, atol=1e-6, equal_nan=True))
