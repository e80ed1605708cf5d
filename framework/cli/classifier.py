"""A saved model as a classifier: its class names, its logits, and the rows that it is to be tried on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.cli.data import Data, Part, fingerprint, hold_out, require_part, require_range
from lamina.cli.npz import NumpyArray
from lamina.core.layer import Layer
from lamina.core.shapes import show
from lamina.errors import ArgumentError, DataError, NonFiniteError

__all__ = ["choose_part", "class_names_of", "load_classifier", "logits_of", "match_labels"]


def load_classifier(path: str, backend: str | None, dtype: str | None) -> Layer:
    """Return the model in a file.

    Raises
    ------
    LaminaError
        If it cannot be loaded, or is not one that gives each sequence of features one row of logits.
    """
    from lamina.core.load import load

    model = load(path, backend=backend, dtype=dtype)
    inputs, output = model.input_shapes, model.output_shape
    flat = isinstance(output, tuple) and len(output) == 2 and isinstance(output[1], int)
    if len(inputs) != 1 or len(inputs[0]) != 3 or not flat:
        raise ArgumentError(
            f"{path!r}: expected a model from (batch, time, features) to (batch, classes), "
            f"got one from {show(inputs)} to {show(output)}"
        )
    return model


def class_names_of(model: Layer) -> tuple[str, ...] | None:
    """Return the names a model's classes are saved with, or None."""
    names = model.facts.get("class_names")
    if not isinstance(names, list) or len(names) != _class_count(model):
        return None
    return tuple(str(name) for name in names)


def logits_of(model: Layer, x: NumpyArray, lengths: NumpyArray | None, source: str) -> NumpyArray:
    """Return a model's logits for rows of some source, batch by batch, on the host.

    Of a model that ends in a softmax they are the logarithms of its probabilities, whose softmax these are.

    Raises
    ------
    DataError
        If the rows have another number of features than the model takes, or numbers too large for its dtype.
    NonFiniteError
        If the output holds NaN or infinity: no class, no probability and no loss follows from that.
    """
    from lamina.compose.sequential import Sequential
    from lamina.layers import Softmax
    from lamina.train.trainer import Trainer

    features = model.input_shapes[0][2]
    if features != x.shape[2]:
        raise DataError(f"{source!r}: expected {features} features, as the model takes, got {x.shape[2]}")
    require_range(x, lengths, model.dtype, source)
    with np.errstate(all="ignore"):  # of what is told below
        logits = np.asarray(Trainer(model).predict(x, lengths=lengths))
    wrong = ~np.isfinite(logits)
    if wrong.any():
        row, class_number = (int(index) for index in np.argwhere(wrong)[0])
        value = _spoken(logits[row, class_number])
        where = f"{source!r}: the model's output is {value} at row {row}, class {class_number}"
        raise NonFiniteError(where + _broken_weights(model))
    last = model
    while isinstance(last, Sequential) and len(last):
        last = last[-1]
    if isinstance(last, Softmax):
        with np.errstate(divide="ignore"):
            logits = np.log(logits)
    return logits


def _broken_weights(model: Layer) -> str:
    """Return which parameter holds NaN or infinity, to go on with; nothing where none does."""
    for parameter in model.parameters():
        values = parameter.numpy()
        wrong = ~np.isfinite(values)
        if wrong.any():
            return f": its parameter {parameter.name!r} holds {_spoken(values[wrong][0])}"
    return ""


def _spoken(value: float) -> str:
    return "NaN" if np.isnan(value) else "infinity"


def choose_part(model: Layer, data: Data, name: str | None) -> tuple[str, Part]:
    """Return the part of the data to evaluate a model on, and what to call it.

    Where a file has no test part, the rows that ``lamina train`` held out of it are known again by the file's
    content; of any other such file, which is new to the model, all rows are taken.

    Parameters
    ----------
    model : Layer
    data : Data
    name : {"train", "test"} or None
        None is the test part.

    Raises
    ------
    DataError
        If there is no such part.
    """
    wanted = name or "test"
    if data.train is None or data.test is not None:
        return wanted, require_part(data.train if wanted == "train" else data.test, wanted, data)
    trained_on: dict[str, Any] = model.facts.get("data", {})
    if trained_on.get("held_out_of") == fingerprint(data.train):
        train, test = hold_out(data.train, trained_on["held_out_seed"])
        return wanted, train if wanted == "train" else test
    if wanted == "train":
        raise DataError(f"{data.source!r}: not the file that the model was trained on: leave out --part")
    return "all rows", data.train


def match_labels(model: Layer, part: Part, data: Data) -> tuple[tuple[str, ...], NumpyArray]:
    """Return a model's class names, and a part's labels as positions among them, matched by name.

    Where the data have only numbers and the model has names that are none of them, the numbers count the model's
    classes from 0.

    Raises
    ------
    DataError
        If the data have a class that the model does not know.
    """
    count = _class_count(model)
    numbers = tuple(str(number) for number in range(count))
    names, own = class_names_of(model), data.class_names
    if names is None:
        # A model that was saved without names knows its classes by number, from 0.
        names = numbers if data.numbered or len(own) != count else own
    elif data.numbered and not set(own) & set(names):
        own = tuple(names[int(name)] if name in numbers else name for name in own)
    positions = {name: position for position, name in enumerate(names)}
    unknown = [own[label] for label in np.unique(part.y) if own[label] not in positions]
    if unknown:
        raise DataError(f"{data.source!r}: the model knows no class {unknown[0]!r}; it knows {_shown(names)}")
    table = np.array([positions.get(name, -1) for name in own])
    return names, table[part.y]


def _class_count(model: Layer) -> int:
    assert model.output_shape is not None
    size = model.output_shape[-1]
    return size if isinstance(size, int) else 0


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
