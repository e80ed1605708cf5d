"""To Keras 3: a new model, or the weights of one that is there, or a file."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from lamina.compose.residual import Residual
from lamina.compose.sequential import Sequential
from lamina.convert.from_keras import entries_in, require_alike, theirs_of
from lamina.convert.keras_makers import MAKERS
from lamina.convert.unit import raise_problems, under, units_of
from lamina.core.layer import Layer
from lamina.core.transfer import listed
from lamina.errors import ArgumentError, ConversionError, MissingPackageError, ShapeError, shown
from lamina.layers.self_attention import SelfAttention

__all__ = ["to_keras"]


def to_keras(model: Layer, into: Any = None) -> Any:
    """Return a Keras 3 model with the weights of a built model.

    Without ``into`` a new functional one is made, on Keras's own backend; the model is a `Sequential`, or one layer, of
    what Keras has.

    Parameters
    ----------
    model : Layer
    into : keras.Model or path, optional
        A model whose layers with weights get those of the model's, in order; it stays as it is where one does not fit.
        A path that ends in ``.keras`` or ``.weights.h5`` is written by Keras.

    Returns
    -------
    keras.Model or path
        A new model, or ``into``.

    Raises
    ------
    ConversionError
        Names every layer that has no counterpart; before anything is changed.
    ShapeError
        If an array of the model has another shape.
    MissingPackageError
        If Keras is not installed.
    """
    if isinstance(into, (str, Path)) and not str(into).endswith((".keras", ".weights.h5")):
        raise ArgumentError(f"to_keras: expected a path that ends in .keras or .weights.h5, got {shown(str(into))}")
    try:
        keras = import_module("keras")
    except ImportError as error:
        raise MissingPackageError("to_keras needs Keras 3: pip install 'keras>=3' and one of its backends") from error
    if into is None or isinstance(into, (str, Path)):
        units_of(model, "keras")
        made = _made(model, keras)
        _fill(model, made)
        if into is None:
            return made
        made.save_weights(into) if str(into).endswith(".weights.h5") else made.save(into)
        return into
    if not hasattr(into, "set_weights"):
        raise ArgumentError(f"to_keras: expected a Keras model or a path, got {shown(into)}")
    _fill(model, into)
    return into


def _fill(model: Layer, theirs: Any) -> None:
    """Set the weights of a Keras model; nothing is changed unless all of them fit."""
    units = units_of(model, "keras")
    entries = [entry for entry in entries_in(theirs, True)[0] if len(entry.arrays(()))]
    if len(entries) != len(units):
        mine, names = listed([one.label for one in units]), listed([repr(entry.name) for entry in entries])
        raise ConversionError(f"expected {len(units)} layers with arrays ({mine}), got {len(entries)} ({names})")
    require_alike(units, entries)
    values = []
    for unit, entry in zip(units, entries, strict=True):
        wanted = theirs_of(unit, entry.arrays(()), repr(entry.name))
        for name, array in unit.exported().items():
            if tuple(wanted[name].shape) != array.shape:
                raise ShapeError(
                    f"{unit.label} to {entry.name!r}: expected {name} of {tuple(wanted[name].shape)}, got {array.shape}"
                )
            values.append(array)
    for layer in _leaves(theirs):
        if layer.weights:
            layer.set_weights([values.pop(0) for _ in layer.weights])


def _leaves(layer: Any) -> list[Any]:
    inner = getattr(layer, "layers", None)
    return (
        [one for own in inner for one in _leaves(own)] if inner is not None and hasattr(layer, "summary") else [layer]
    )


def _made(model: Layer, keras: Any) -> Any:
    """Return a model that does what a model does; or name all layers that it cannot have."""
    problems: list[str] = []

    def visit(path: str, layer: Layer, x: Any) -> Any:
        if isinstance(layer, Sequential):
            for name, child in layer.children().items():
                x = visit(under(path, name), child, x)
            return x
        if isinstance(layer, Residual):
            return x if (inner := visit(under(path, "inner"), layer.inner, x)) is x or problems else x + inner
        try:
            if type(layer) not in MAKERS:
                raise ConversionError("")
            made = MAKERS[type(layer)](layer, keras.layers)
        except ConversionError as error:
            problems.append(f"{type(layer).__name__} {path!r}: {error}".removesuffix(": "))
            return x
        if problems:
            return x
        return made(x, x, use_causal_mask=layer.causal) if isinstance(layer, SelfAttention) else made(x)

    shape = model.input_shapes[0][1:]
    integers = model.reads_integers()
    before = keras.config.floatx()
    keras.config.set_floatx(model.dtype)
    try:
        given = keras.Input(shape, dtype="int32" if integers else model.dtype)
        y = visit("", model, given)
        raise_problems("to_keras: no counterpart", problems)
        return keras.Model(given, y)
    finally:
        keras.config.set_floatx(before)
