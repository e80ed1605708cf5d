"""What ``lamina predict`` writes: classes and probabilities, or numbers, as text or as arrays."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from lamina.cli.classifier import class_names_of, logits_of
from lamina.cli.facts import task_facts
from lamina.cli.npz import NumpyArray
from lamina.cli.numbers import Forecast, Regress
from lamina.cli.part import Part
from lamina.cli.raw import Raw
from lamina.cli.task import Task, outputs_of
from lamina.core.layer import Layer

__all__ = ["classes_file", "numbers_file", "softmax"]


def classes_file(
    model: Layer, task: Task, raw: Raw, source: str, as_csv: bool, probabilities: bool | None
) -> tuple[bytes, str]:
    """Return a file of classes, of rows or of steps, and what is in it, in a few words."""
    logits = logits_of(model, raw.x, raw.lengths, source)
    names = class_names_of(model) or tuple(str(number) for number in range(logits.shape[-1]))
    told = f"{len(logits)} rows, {len(names)} classes"
    with_them = not task.per_step if probabilities is None else probabilities
    labels = logits.argmax(axis=-1)
    if not as_csv:
        arrays = {"labels": labels, "class_names": np.array(names)}
        if with_them:
            arrays |= {"probabilities": softmax(logits), "logits": logits}
        if task.per_step and raw.lengths is not None:
            arrays["lengths"] = raw.lengths
        return _npz(arrays), told
    shares = softmax(logits)
    lines = []
    for index in np.argwhere(Part(raw.x, labels, raw.lengths).counted):
        place = tuple(index)
        line = [_row(raw, place[0]), *place[1:], names[labels[place]]]
        # str of a NumPy number is the shortest that reads back as the same.
        lines.append([*line, *(str(value) for value in shares[place])] if with_them else line)
    heads = ["row", "step", "label"] if task.per_step else ["row", "label"]
    if task.per_step:
        told = f"{len(logits)} rows, {len(lines)} steps, {len(names)} classes"
    return _csv([*heads, *(names if with_them else ())], lines), told


def numbers_file(model: Layer, task: Task, raw: Raw, source: str, as_csv: bool) -> tuple[bytes, str]:
    """Return a file of numbers, of rows or of the steps to come, and what is in it, in a few words."""
    assert isinstance(task, Regress)
    x, lengths = raw.x, raw.lengths
    if isinstance(task, Forecast):
        x, lengths = task.last_windows(x, lengths, source), None
    found = outputs_of(model, x, lengths, source, task.axes)
    names = [str(name) for name in task_facts(model).get("targets", [])]
    if len(names) != found.shape[-1]:
        names = [f"y{place}" for place in range(found.shape[-1])]
    told = f"{len(found)} rows, {', '.join(names)}"
    if found.ndim == 3:
        told = f"{len(found)} series, {found.shape[1]} steps ahead, {', '.join(names)}"
    if not as_csv:
        return _npz({"predictions": found, "targets": np.array(names)}), told
    lines: list[list[Any]] = []
    for row, values in enumerate(found):
        for step, one in enumerate(values if found.ndim == 3 else [values]):
            ahead = [step + 1] if found.ndim == 3 else []
            lines.append([_row(raw, row), *ahead, *(str(value) for value in one)])
    return _csv(["row", *(["step"] if found.ndim == 3 else []), *names], lines), told


def softmax(logits: NumpyArray) -> NumpyArray:
    """Return the probabilities that logits stand for, along the last axis."""
    y: NumpyArray = np.exp(logits - logits.max(axis=-1, keepdims=True))
    y /= y.sum(axis=-1, keepdims=True)
    return y


def _row(raw: Raw, row: int) -> str:
    return str(row) if raw.ids is None else raw.ids[row]


def _csv(heads: Sequence[str], lines: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows(lines)
    return text.getvalue().encode()


def _npz(arrays: dict[str, NumpyArray]) -> bytes:
    content = io.BytesIO()
    np.savez(content, **arrays)  # type: ignore[arg-type]
    return content.getvalue()
