"""What each layer is as a layer of Keras's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lamina.layers as layers
from lamina.compose.bidirectional import Bidirectional
from lamina.core.layer import Layer
from lamina.errors import ConversionError

__all__ = ["MAKERS"]


def _rank(layer: Layer) -> int:
    return len(layer.input_shapes[0])


def _refuse(condition: bool, what: str) -> None:
    if condition:
        raise ConversionError(what)


def _recurrent(layer: Any, made: Any) -> Any:
    one: Any = layer.layer if isinstance(layer, Bidirectional) else layer
    _refuse(one.return_state, "return_state=True")
    _refuse(one.go_backwards and one.return_sequences, "go_backwards with return_sequences: outputs are turned")
    options = {
        name: getattr(one, name)
        for name in ("use_bias", "return_sequences", "go_backwards", "recurrent_dropout", "reset_after", "activation")
        if hasattr(one, name)
    }
    kind: Any = {layers.LSTM: made.LSTM, layers.GRU: made.GRU, layers.SimpleRNN: made.SimpleRNN}.get(type(one))
    _refuse(kind is None, "")
    inner = kind(one.units, **options)
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
    _refuse(
        not plain or getattr(layer, "count_padding", False), f"padding={padding!r}, dilation, ceil or count_padding"
    )
    _refuse(padding == "same" and layer.stride > 1, "padding='same' with a stride: Keras's windows differ")
    kind = made.MaxPooling1D if isinstance(layer, layers.MaxPool1D) else made.AveragePooling1D
    return kind(layer.size, layer.stride, padding)


def _norm(layer: Any, made: Any) -> Any:
    options: dict[str, Any] = {"epsilon": layer.epsilon, "scale": layer.use_scale, "center": layer.use_shift}
    if isinstance(layer, layers.BatchNorm):
        return made.BatchNormalization(momentum=1 - layer.momentum, **options)
    if isinstance(layer, layers.GroupNorm):
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


def _hard_sigmoid(layer: Any, made: Any) -> Any:
    if (layer.slope, layer.offset) != (1 / 6, 0.5):
        raise ConversionError(f"slope={layer.slope} with offset={layer.offset}")
    return made.Activation("hard_sigmoid")


MAKERS: dict[type[Layer], Callable[[Any, Any], Any]] = {
    layers.AveragePool1D: _pool,
    layers.BatchNorm: _norm,
    Bidirectional: _recurrent,
    layers.CELU: _celu,
    layers.Conv1D: _convolution,
    layers.Conv1DTranspose: _transposed,
    layers.Dense: lambda layer, made: made.Dense(layer.units, use_bias=layer.use_bias),
    layers.Dropout: lambda layer, made: made.Dropout(layer.rate),
    layers.ELU: lambda layer, made: made.ELU(layer.alpha),
    layers.Embedding: lambda layer, made: made.Embedding(layer.rows, layer.units),
    layers.Flatten: lambda layer, made: made.Flatten(),
    layers.GELU: _gelu,
    layers.GRU: _recurrent,
    layers.GlobalAveragePool1D: lambda layer, made: made.GlobalAveragePooling1D(),
    layers.GlobalMaxPool1D: lambda layer, made: made.GlobalMaxPooling1D(),
    layers.GroupNorm: _norm,
    layers.HardSigmoid: _hard_sigmoid,
    layers.HardSwish: _named("hard_silu"),
    layers.LSTM: _recurrent,
    layers.LayerNorm: _norm,
    layers.LeakyReLU: lambda layer, made: made.LeakyReLU(layer.slope),
    layers.LogSoftmax: _log_softmax,
    layers.MaxPool1D: _pool,
    layers.Mish: _named("mish"),
    layers.PReLU: _prelu,
    layers.Permute: lambda layer, made: made.Permute(layer.axes),
    layers.RMSNorm: _rms_norm,
    layers.ReLU: lambda layer, made: made.ReLU(),
    layers.ReLU6: _named("relu6"),
    layers.RecurrentDropout: lambda layer, made: made.SpatialDropout1D(layer.rate),
    layers.RepeatVector: lambda layer, made: made.RepeatVector(layer.count),
    layers.Rescaling: lambda layer, made: made.Rescaling(layer.scale, layer.offset),
    layers.Reshape: lambda layer, made: made.Reshape(layer.shape),
    layers.SELU: _named("selu"),
    layers.SelfAttention: _attention,
    layers.SiLU: _named("silu"),
    layers.Sigmoid: _named("sigmoid"),
    layers.SimpleRNN: _recurrent,
    layers.Softmax: lambda layer, made: made.Softmax(layer.axis),
    layers.Softplus: _softplus,
    layers.Softsign: _named("softsign"),
    layers.Tanh: _named("tanh"),
}
