"""What each layer is as a module of PyTorch's, with Lamina's axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lamina.layers as layers
from lamina.compose.bidirectional import Bidirectional
from lamina.convert.torch_wrappers import wrapper
from lamina.core.layer import Layer
from lamina.errors import ConversionError
from lamina.kinds.window import sides

__all__ = ["MAKERS"]


def _features(layer: Layer) -> int:
    return layer.size_of(layer.input_shapes[0], -1)


def _sequence(layer: Layer) -> bool:
    return len(layer.input_shapes[0]) == 3


def _recurrent(layer: Any, nn: Any) -> Any:
    both = isinstance(layer, Bidirectional)
    one: Any = layer.layer if isinstance(layer, Bidirectional) else layer
    if both and layer.merge != "concat":
        raise ConversionError(f"merge={layer.merge!r}")
    if one.return_state:
        raise ConversionError("return_state=True")
    kind = {layers.LSTM: "LSTM", layers.GRU: "GRU", layers.SimpleRNN: "RNN"}.get(type(one))
    if kind is None or one.recurrent_dropout:
        raise ConversionError("" if kind is None else "recurrent_dropout")
    options: dict[str, Any] = {"bias": one.use_bias, "batch_first": True, "bidirectional": both}
    if kind == "LSTM":
        options["proj_size"] = one.projection or 0
    elif kind == "RNN":
        options["nonlinearity"] = one.activation
    made = wrapper(f"{'Outputs' if one.return_sequences else 'Last'}{kind}")(_features(layer), one.units, **options)
    made.go_backwards = one.go_backwards
    return made


def _convolution(layer: Any, nn: Any) -> Any:
    reach = (layer.kernel_size - 1) * layer.dilation + 1
    before, after = sides(layer.padding, reach)
    made = wrapper("StepsConv1d")(
        _features(layer), layer.units, layer.kernel_size, layer.stride, before if before == after else 0,
        layer.dilation, layer.groups, layer.use_bias,
    )  # fmt: skip
    made.pads = () if before == after else (before, after)
    return made


def _transposed(layer: Any, nn: Any) -> Any:
    if layer.padding in ("same", "causal"):
        raise ConversionError(f"padding={layer.padding!r}")
    before, after = sides(layer.padding, 1)
    # What PyTorch adds at the end is less than a stride.
    more = before - after + layer.output_padding
    if not 0 <= more < max(layer.stride, layer.dilation):
        raise ConversionError(f"padding={layer.padding!r}")
    return wrapper("StepsConvTranspose1d")(
        _features(layer), layer.units, layer.kernel_size, layer.stride, before, more, layer.groups, layer.use_bias,
        layer.dilation,
    )  # fmt: skip


def _pool(layer: Any, nn: Any) -> Any:
    reach = (layer.size - 1) * layer.dilation + 1
    before, after = sides(layer.padding, reach)
    if before != after or 2 * before > layer.size:
        raise ConversionError(f"padding={layer.padding!r}")
    if isinstance(layer, layers.MaxPool1D):
        return wrapper("StepsMaxPool1d")(layer.size, layer.stride, before, layer.dilation, ceil_mode=layer.ceil)
    if layer.dilation != 1:
        raise ConversionError(f"dilation={layer.dilation}")
    return wrapper("StepsAvgPool1d")(layer.size, layer.stride, before, layer.ceil, layer.count_padding)


def _batch_norm(layer: Any, nn: Any) -> Any:
    affine = _affine(layer)
    make = wrapper("StepsBatchNorm1d") if _sequence(layer) else nn.BatchNorm1d
    return make(_features(layer), layer.epsilon, layer.momentum, affine)


def _affine(layer: Any) -> bool:
    if layer.use_scale != layer.use_shift:
        raise ConversionError(f"use_scale={layer.use_scale} with use_shift={layer.use_shift}")
    return bool(layer.use_scale)


def _group_norm(layer: Any, nn: Any) -> Any:
    make = wrapper("StepsGroupNorm") if _sequence(layer) else nn.GroupNorm
    return make(layer.groups, _features(layer), layer.epsilon, _affine(layer))


def _layer_norm(layer: Any, nn: Any) -> Any:
    if layer.axis != -1 or (layer.use_shift and not layer.use_scale):
        raise ConversionError(f"axis={layer.axis}" if layer.axis != -1 else "use_scale=False with use_shift=True")
    return nn.LayerNorm(_features(layer), layer.epsilon, layer.use_scale, layer.use_shift)


def _attention(layer: Any, nn: Any) -> Any:
    if layer.return_scores or layer.additive_mask:
        raise ConversionError("return_scores or additive_mask")
    return wrapper("Attention")(
        _features(layer), layer.heads, layer.dropout, layer.use_bias, batch_first=True, kept={"causal": layer.causal}
    )


def _prelu(layer: Any, nn: Any) -> Any:
    count = 1 if layer.shared else _features(layer)
    return (wrapper("StepsPReLU") if _sequence(layer) and count > 1 else nn.PReLU)(count)


def _select(layer: Any, nn: Any) -> Any:
    index, axis = (-1, 1) if isinstance(layer, layers.LastStep) else (layer.index, layer.axis)
    return wrapper("Select")(kept={"index": index, "axis": axis})


def _hard_sigmoid(layer: Any, nn: Any) -> Any:
    if (layer.slope, layer.offset) != (1 / 6, 0.5):
        raise ConversionError(f"slope={layer.slope} with offset={layer.offset}")
    return nn.Hardsigmoid()


MAKERS: dict[type[Layer], Callable[[Any, Any], Any]] = {
    layers.AveragePool1D: _pool,
    layers.BatchNorm: _batch_norm,
    Bidirectional: _recurrent,
    layers.CELU: lambda layer, nn: nn.CELU(layer.alpha),
    layers.Conv1D: _convolution,
    layers.Conv1DTranspose: _transposed,
    layers.Dense: lambda layer, nn: nn.Linear(_features(layer), layer.units, layer.use_bias),
    layers.Dropout: lambda layer, nn: nn.Dropout(layer.rate),
    layers.ELU: lambda layer, nn: nn.ELU(layer.alpha),
    layers.Embedding: lambda layer, nn: nn.Embedding(layer.rows, layer.units),
    layers.Flatten: lambda layer, nn: nn.Flatten(),
    layers.GELU: lambda layer, nn: nn.GELU(layer.approximate),
    layers.GRU: _recurrent,
    layers.GlobalAveragePool1D: lambda layer, nn: wrapper("Mean")(kept={}),
    layers.GlobalMaxPool1D: lambda layer, nn: wrapper("Maximum")(kept={}),
    layers.GroupNorm: _group_norm,
    layers.HardSigmoid: _hard_sigmoid,
    layers.HardSwish: lambda layer, nn: nn.Hardswish(),
    layers.LSTM: _recurrent,
    layers.LastStep: _select,
    layers.LayerNorm: _layer_norm,
    layers.LeakyReLU: lambda layer, nn: nn.LeakyReLU(layer.slope),
    layers.LogSoftmax: lambda layer, nn: nn.LogSoftmax(layer.axis),
    layers.MaxPool1D: _pool,
    layers.Mish: lambda layer, nn: nn.Mish(),
    layers.PReLU: _prelu,
    layers.Permute: lambda layer, nn: wrapper("Permute")(kept={"axes": tuple(layer.axes)}),
    layers.RMSNorm: lambda layer, nn: nn.RMSNorm(_features(layer), layer.epsilon, layer.use_scale),
    layers.ReLU: lambda layer, nn: nn.ReLU(),
    layers.ReLU6: lambda layer, nn: nn.ReLU6(),
    layers.RepeatVector: lambda layer, nn: wrapper("Repeat")(kept={"count": layer.count}),
    layers.Rescaling: lambda layer, nn: wrapper("Affine")(kept={"scale": layer.scale, "offset": layer.offset}),
    layers.SELU: lambda layer, nn: nn.SELU(),
    layers.Select: _select,
    layers.SelfAttention: _attention,
    layers.SiLU: lambda layer, nn: nn.SiLU(),
    layers.Sigmoid: lambda layer, nn: nn.Sigmoid(),
    layers.SimpleRNN: _recurrent,
    layers.Softmax: lambda layer, nn: nn.Softmax(layer.axis),
    layers.Softplus: lambda layer, nn: nn.Softplus(layer.beta),
    layers.Softsign: lambda layer, nn: nn.Softsign(),
    layers.Tanh: lambda layer, nn: nn.Tanh(),
}
