"""To Keras 3: a new model, or the weights of one that is there, or a file."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from lamina.compose.bidirectional import Bidirectional
from lamina.compose.residual import Residual
from lamina.compose.sequential import Sequential
from lamina.convert.from_keras import entries_in, require_alike, theirs_of
from lamina.convert.unit import raise_problems, under, units_of
from lamina.core.layer import Layer
from lamina.core.transfer import listed
from lamina.errors import ArgumentError, ConversionError, MissingPackageError, ShapeError, shown
from lamina.layers import (
    CELU, ELU, GELU, GRU, LSTM, SELU, AveragePool1D, BatchNorm, Conv1D, Conv1DTranspose, Dense, Dropout, Embedding,
    Flatten, GlobalAveragePool1D, GlobalMaxPool1D, GroupNorm, HardSwish, LayerNorm, LeakyReLU, LogSoftmax, MaxPool1D,
    Mish, Permute, PReLU, RecurrentDropout, ReLU, ReLU6, RepeatVector, Rescaling, Reshape, RMSNorm, SelfAttention,
    Sigmoid, SiLU, SimpleRNN, Softmax, Softplus, Softsign, Tanh,
)  # fmt: skip

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
    if not hasattr(into, "get_weights"):
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
    held = [layer for layer in _leaves(theirs) if layer.get_weights()]
    for layer in held:
        own = layer.get_weights()
        layer.set_weights([values.pop(0) for _ in own])


def _leaves(layer: Any) -> list[Any]:
    inner = getattr(layer, "layers", None)
    return [one for own in inner for one in _leaves(own)] if inner is not None and hasattr(layer, "summary") else [layer]


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


def _rank(layer: Layer) -> int:
    return len(layer.input_shapes[0])


def _refuse(condition: bool, what: str) -> None:
    if condition:
        raise ConversionError(what)


def _recurrent(layer: Any, made: Any) -> Any:
    one = layer.layer if isinstance(layer, Bidirectional) else layer
    _refuse(one.return_state, "return_state=True")
    _refuse(one.go_backwards and one.return_sequences, "go_backwards with return_sequences: Keras turns the outputs")
    options = {
        name: getattr(one, name)
        for name in ("use_bias", "return_sequences", "go_backwards", "recurrent_dropout", "reset_after", "activation")
        if hasattr(one, name)
    }
    kind = {LSTM: made.LSTM, GRU: made.GRU, SimpleRNN: made.SimpleRNN}.get(type(one))
    _refuse(kind is None, "")
    inner = kind(one.units, **options)  # type: ignore[misc]  # refused if None
    if one is layer:
        return inner
    return made.Bidirectional(inner, merge_mode={"multiply": "mul", "average": "ave"}.get(layer.merge, layer.merge))


def _convolution(layer: Any, made: Any) -> Any:
    padding = "valid" if layer.padding in (0, (0, 0)) else layer.padding
    _refuse(not isinstance(padding, str), f"padding={padding!r}")
    _refuse(padding == "same" and layer.stride > 1, "padding='same' with a stride: Keras's windows differ")
    return made.Conv1D(
        layer.units, layer.kernel_size, layer.stride, padding, dilation_rate=layer.dilation, groups=layer.groups,
        use_bias=layer.use_bias,
    )  # fmt: skip


def _transposed(layer: Any, made: Any) -> Any:
    _refuse(layer.groups > 1, "groups")
    _refuse(layer.padding not in ("valid", "same") or layer.output_padding > 0, f"padding={layer.padding!r}")
    reach = (layer.kernel_size - 1) * layer.dilation + 1
    _refuse(layer.stride > (reach if layer.padding == "valid" else 1), "stride: Keras's windows differ")
    return made.Conv1DTranspose(
        layer.units, layer.kernel_size, layer.stride, layer.padding, dilation_rate=layer.dilation,
        use_bias=layer.use_bias,
    )  # fmt: skip


def _pool(layer: Any, made: Any) -> Any:
    padding = "valid" if layer.padding in (0, (0, 0)) else layer.padding
    plain = padding in ("valid", "same") and layer.dilation == 1 and not layer.ceil
    _refuse(not plain or getattr(layer, "count_padding", False), f"padding={padding!r}, dilation, ceil or count_padding")
    _refuse(padding == "same" and layer.stride > 1, "padding='same' with a stride: Keras's windows differ")
    kind = made.MaxPooling1D if isinstance(layer, MaxPool1D) else made.AveragePooling1D
    return kind(layer.size, layer.stride, padding)


def _norm(layer: Any, made: Any) -> Any:
    options: dict[str, Any] = {"epsilon": layer.epsilon, "scale": layer.use_scale, "center": layer.use_shift}
    if isinstance(layer, BatchNorm):
        return made.BatchNormalization(momentum=1 - layer.momentum, **options)
    if isinstance(layer, GroupNorm):
        return made.GroupNormalization(layer.groups, **options)
    _refuse(layer.axis != -1, f"axis={layer.axis}")
    return made.LayerNormalization(**options)


def _rms_norm(layer: Any, made: Any) -> Any:
    _refuse(not layer.use_scale, "use_scale=False")
    return made.RMSNormalization(epsilon=layer.epsilon)


def _attention(layer: Any, made: Any) -> Any:
    _refuse(layer.return_scores or layer.additive_mask, "return_scores or additive_mask")
    features = layer.size_of(layer.input_shapes[0], -1)
    units = layer.units or features
    _refuse(units != features, f"units={units} of {features} features; Keras's attention keeps the query's features")
    return made.MultiHeadAttention(
        layer.heads, units // layer.heads, dropout=layer.dropout, use_bias=layer.use_bias
    )  # fmt: skip


def _prelu(layer: Any, made: Any) -> Any:
    steps = list(range(1, _rank(layer) - 1))
    return made.PReLU(shared_axes=[*steps, _rank(layer) - 1] if layer.shared else steps or None)


def _named(name: str) -> Callable[[Any, Any], Any]:
    return lambda layer, made: made.Activation(name)


def _gelu(layer: Any, made: Any) -> Any:
    _refuse(layer.approximate != "none", f"approximate={layer.approximate!r}")
    return made.Activation("gelu")


def _softplus(layer: Any, made: Any) -> Any:
    _refuse(layer.beta != 1, f"beta={layer.beta}")
    return made.Activation("softplus")


def _celu(layer: Any, made: Any) -> Any:
    _refuse(layer.alpha != 1, f"alpha={layer.alpha}")
    return made.Activation("celu")


def _log_softmax(layer: Any, made: Any) -> Any:
    _refuse(layer.axis not in (-1, _rank(layer) - 1), f"axis={layer.axis}")
    return made.Activation("log_softmax")


MAKERS: dict[type[Layer], Callable[[Any, Any], Any]] = {
    AveragePool1D: _pool,
    BatchNorm: _norm,
    Bidirectional: _recurrent,
    CELU: _celu,
    Conv1D: _convolution,
    Conv1DTranspose: _transposed,
    Dense: lambda layer, made: made.Dense(layer.units, use_bias=layer.use_bias),
    Dropout: lambda layer, made: made.Dropout(layer.rate),
    ELU: lambda layer, made: made.ELU(layer.alpha),
    Embedding: lambda layer, made: made.Embedding(layer.rows, layer.units),
    Flatten: lambda layer, made: made.Flatten(),
    GELU: _gelu,
    GRU: _recurrent,
    GlobalAveragePool1D: lambda layer, made: made.GlobalAveragePooling1D(),
    GlobalMaxPool1D: lambda layer, made: made.GlobalMaxPooling1D(),
    GroupNorm: _norm,
    HardSwish: _named("hard_silu"),
    LSTM: _recurrent,
    LayerNorm: _norm,
    LeakyReLU: lambda layer, made: made.LeakyReLU(layer.slope),
    LogSoftmax: _log_softmax,
    MaxPool1D: _pool,
    Mish: _named("mish"),
    PReLU: _prelu,
    Permute: lambda layer, made: made.Permute(layer.axes),
    RMSNorm: _rms_norm,
    ReLU: lambda layer, made: made.ReLU(),
    ReLU6: _named("relu6"),
    RecurrentDropout: lambda layer, made: made.SpatialDropout1D(layer.rate),
    RepeatVector: lambda layer, made: made.RepeatVector(layer.count),
    Rescaling: lambda layer, made: made.Rescaling(layer.scale, layer.offset),
    Reshape: lambda layer, made: made.Reshape(layer.shape),
    SELU: _named("selu"),
    SelfAttention: _attention,
    SiLU: _named("silu"),
    Sigmoid: _named("sigmoid"),
    SimpleRNN: _recurrent,
    Softmax: lambda layer, made: made.Softmax(layer.axis),
    Softplus: _softplus,
    Softsign: _named("softsign"),
    Tanh: _named("tanh"),
}
