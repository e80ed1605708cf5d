"""Asking ONNX Runtime whether a file gives what its model gives."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.compose.stream import Stream
from lamina.core.layer import Layer
from lamina.core.shapes import as_tuple
from lamina.errors import ExportError, ShapeError
from lamina.files.printable import printable
from lamina.layers import Embedding
from lamina.onnx.packages import runtime_package
from lamina.onnx.states import States, flat

__all__ = ["TOLERANCE", "compared", "difference", "largest_difference", "session_of"]

NumpyArray = np.ndarray[Any, Any]

#: By how much outputs may differ, relative to the largest number among them where that is more than 1.
TOLERANCE = {"float32": 1e-4, "float64": 1e-9}
# (rows, steps more than are needed, whether rows differ in length)
_BATCHES = ((4, 3, True), (1, 0, False), (2, 6, True))
_MOST_STEPS = 200
_MOST_MESSAGE = 300
# How many times the model's own rounding may be that of ONNX Runtime, which sums in another order.
_ROUNDING = 100.0


def session_of(content: bytes) -> Any:
    """Return what runs a file's content."""
    runtime = runtime_package()
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def largest_difference(model: Layer, content: bytes, lengths: Sequence[str | None], states: States | None) -> float:
    """Return the largest difference between a model and its file, for batches drawn at random.

    Raises
    ------
    ExportError
        If it is too large, or ONNX Runtime cannot run the file.
    """
    try:
        session = session_of(content)
        with np.errstate(all="ignore"):  # a root of what is negative is NaN for both
            if states is not None:
                return _streamed(model, session, lengths, states)
            return max(_called(model, session, lengths, *batch, seed) for seed, batch in enumerate(_BATCHES))
    except Exception as error:
        if not type(error).__module__.startswith("onnxruntime"):
            raise
        text = printable(str(error)).splitlines()[0][:_MOST_MESSAGE]
        raise ExportError(f"{model.label}: ONNX Runtime cannot run it: {text}") from error


def compared(model: Layer, outputs: Sequence[Any], values: Sequence[Any], lengths: Any) -> float:
    """Return the largest difference of what ONNX Runtime gave from what a model gives.

    Raises
    ------
    ExportError
        If it is too large. In single precision it may be more than `TOLERANCE` where the model itself is as far from
        what it gives in double precision.
    ShapeError
        If the model takes no such inputs.
    """
    expected = _on_host(model, model(*values, lengths=lengths))
    worst = max(map(difference, outputs, expected))
    most = TOLERANCE[model.dtype]
    if not worst <= most and model.dtype == "float32":
        exact = _on_host(model, copy.deepcopy(model).to(model.backend, "float64")(*values, lengths=lengths))
        most += _ROUNDING * max(map(difference, expected, exact))
    _require(model, worst, most)
    return worst


def _on_host(model: Layer, outputs: Any) -> list[NumpyArray]:
    return [model.backend.to_numpy(y) for y in as_tuple(outputs)]


def _require(model: Layer, worst: float, most: float) -> None:
    if not worst <= most:
        raise ExportError(
            f"{model.label}: ONNX Runtime gives something else: expected a difference of {most:g} at most, got "
            f"{worst:.3g}"
        )


def difference(got: Any, expected: Any) -> float:
    """Return the largest difference of two arrays, relative to the largest finite number where that is more than 1.

    Infinite, where their shapes differ, or one is not finite where the other is not the same.
    """
    got, expected = np.asarray(got, np.float64), np.asarray(expected, np.float64)
    finite = np.isfinite(expected)
    if got.shape != expected.shape or not np.array_equal(got[~finite], expected[~finite], equal_nan=True):
        return float("inf")
    if not finite.any():
        return 0.0
    found = float(np.abs(got[finite] - expected[finite]).max() / max(1.0, np.abs(expected[finite]).max()))
    return found if found == found else float("inf")


def _called(
    model: Layer, session: Any, lengths: Sequence[str | None], rows: int, more: int, ragged: bool, seed: int
) -> float:
    rng = np.random.default_rng(seed)
    values = _drawn(model, rng, rows, _least(model) + more)
    ends = [_ends(rng, value, ragged) if own is not None else None for value, own in zip(values, lengths, strict=True)]
    try:
        model(*values, lengths=_given(ends))
    except ShapeError:  # where inputs are joined, rows have one length in all of them
        first = next((end for end in ends if end is not None), None)
        ends = [None if end is None else first for end in ends]
        model(*values, lengths=_given(ends))
    feeds = dict(zip([one.name for one in session.get_inputs()], values, strict=False))
    feeds |= {own: end for own, end in zip(lengths, ends, strict=True) if own is not None}
    return compared(model, session.run(None, feeds), values, _given(ends))


def _given(ends: list[NumpyArray | None]) -> Any:
    """Return lengths as a model takes them."""
    if all(end is None for end in ends):
        return None
    return ends[0] if len(ends) == 1 else tuple(ends)


def _streamed(model: Layer, session: Any, lengths: Sequence[str | None], states: States) -> float:
    rng, rows, worst = np.random.default_rng(0), 3, 0.0
    stream, names = Stream(model), [one.name for one in session.get_inputs()]
    kept = {
        one.name: np.zeros([rows if axis == 0 else size or 0 for axis, size in enumerate(one.shape)], one.dtype)
        for one in states.all
    }
    for steps in (3, 1, 4):
        values = _drawn(model, rng, rows, steps)
        ends = [
            _ends(rng, value, True) if own is not None else None for value, own in zip(values, lengths, strict=True)
        ]
        own = {name: end for name, end in zip(lengths, ends, strict=True) if name is not None}
        feeds = {**dict(zip(names, values, strict=False)), **own, **kept}
        outputs = session.run(None, {name: feeds[name] for name in names})
        expected = as_tuple(stream(*values, lengths=_given(ends)))
        after = flat(stream.state)
        count = len(outputs) - len(states.all)
        worst = max(worst, *map(difference, outputs, [*_on_host(model, expected), *after]))
        _require(model, worst, 10 * TOLERANCE[model.dtype])
        kept = dict(zip(kept, outputs[count:], strict=True))
    return worst


def _drawn(model: Layer, rng: np.random.Generator, rows: int, steps: int) -> list[NumpyArray]:
    """Return random inputs of a model; whole numbers that every embedding has a row for."""
    most = min((one.rows for _, one in model.walk() if isinstance(one, Embedding)), default=2)
    values = []
    for place, shape in enumerate(model.input_shapes):
        sizes = (rows, *(steps if size is None else size for size in shape[1:]))
        if model.reads_integers(place):
            values.append(rng.integers(0, most, sizes))
        else:
            values.append(rng.normal(size=sizes).astype(model.dtype))
    return values


def _ends(rng: np.random.Generator, value: NumpyArray, ragged: bool) -> NumpyArray:
    rows, steps = value.shape[:2]
    if not ragged:
        return np.full(rows, steps)
    ends: NumpyArray = rng.integers(0, steps + 1, rows)
    ends[rng.integers(rows)] = steps
    return ends


def _least(model: Layer) -> int:
    """Return so many steps that every window of a model has enough of them."""
    steps = 2
    for _, layer in reversed(list(model.walk())):
        steps = (steps - 1) * int(getattr(layer, "stride", 1)) + layer._reach()
    return min(steps, _MOST_STEPS)
