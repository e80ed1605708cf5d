"""PyTorch's modules and functions as layers: what each becomes, and what it asks of the axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import lamina.layers as layers
from lamina.compose.bidirectional import Bidirectional
from lamina.compose.residual import Residual
from lamina.compose.sequential import Sequential
from lamina.convert.chain import CHANNELS, Chain
from lamina.core.layer import Layer
from lamina.errors import ConversionError
from lamina.kinds.window import Padding

__all__ = ["MODULES", "require"]

Maker: TypeAlias = Callable[[Chain, str, Any, Mapping[str, Any]], None]


def require(condition: bool, what: str) -> None:
    """Raise `ConversionError` telling of a setting without counterpart, unless a condition holds."""
    if not condition:
        raise ConversionError(what)


def kind_of(module: Any) -> str:
    """Return the name of PyTorch's class that a module is of, be it by one of `to_torch`'s."""
    return next(cls.__name__ for cls in type(module).__mro__ if cls.__module__.startswith("torch.nn."))


def _linear(chain: Chain, name: str, module: Any, options: Mapping[str, Any]) -> None:
    chain.begin(2, module.in_features)
    chain.last()
    chain.add(layers.Dense(module.out_features, use_bias=module.bias is not None), [(name, None)])


def _embedding(chain: Chain, name: str, module: Any, options: Mapping[str, Any]) -> None:
    require(module.max_norm is None, "max_norm")
    chain.begin(2, integers=True)
    chain.add(layers.Embedding(module.num_embeddings, module.embedding_dim, row_wise=module.sparse), [(name, None)])
    chain.become((chain.rank or 2) + 1)


def _recurrent(chain: Chain, name: str, module: Any, options: Mapping[str, Any]) -> None:
    kind, sequence = kind_of(module), options["gives"] == "sequence"
    chain.begin(3, module.input_size)
    chain.steps_first(module.batch_first)
    for number in range(module.num_layers):
        settings = {
            "use_bias": module.bias,
            "return_sequences": sequence or number < module.num_layers - 1,
        }
        one: Any
        if kind == "LSTM":
            one = layers.LSTM(module.hidden_size, projection=module.proj_size or None, **settings)
        elif kind == "GRU":
            one = layers.GRU(module.hidden_size, **settings)
        else:
            one = layers.SimpleRNN(module.hidden_size, activation=module.nonlinearity, **settings)
        chain.add(Bidirectional(one) if module.bidirectional else one, [(name, number)])
        if module.dropout and number < module.num_layers - 1:
            chain.add(layers.Dropout(module.dropout))
    if not sequence:
        chain.become(2)


def _one(value: Any) -> Any:
    return value[0] if isinstance(value, (tuple, list)) else value


def _convolution(chain: Chain, name: str, module: Any, options: Mapping[str, Any]) -> None:
    require(module.padding_mode == "zeros", f"padding_mode={module.padding_mode!r}")
    chain.begin(3, module.in_channels)
    chain.channels()
    settings: dict[str, Any] = {
        "stride": _one(module.stride),
        "padding": getattr(module, "pads", ()) or _one(module.padding),
        "dilation": _one(module.dilation),
        "groups": module.groups,
        "use_bias": module.bias is not None,
    }
    made: Layer
    if kind_of(module) == "ConvTranspose1d":
        made = layers.Conv1DTranspose(
            module.out_channels, _one(module.kernel_size), output_padding=_one(module.output_padding), **settings
        )
    else:
        made = layers.Conv1D(module.out_channels, _one(module.kernel_size), **settings)
    chain.add(made, [(name, None)])


def _pool(chain: Chain, name: str, module: Any, options: Mapping[str, Any]) -> None:
    chain.begin(3)
    chain.channels()
    padding: Padding = _one(module.padding)
    stride, size = _one(module.stride), _one(module.kernel_size)
    if kind_of(module) == "MaxPool1d":
        require(not module.return_indices, "return_indices")
        chain.add(layers.MaxPool1D(size, stride, padding, dilation=_one(module.dilation), ceil=module.ceil_mode))
        return
    counted = bool(module.count_include_pad) and bool(padding)
    require(not (counted and module.ceil_mode), "ceil_mode with what is padded counted")
    chain.add(layers.AveragePool1D(size, stride, padding, ceil=module.ceil_mode, count_padding=counted))


def _batch_norm(chain: Chain, name: str, module: Any, options: Mapping[str, Any]) -> None:
    require(module.track_running_stats, "track_running_stats=False")
    require(module.momentum is not None, "momentum=None")
    if not chain.begun:  # of (batch, features) and (batch, features, time) the first, unless shape tells
        chain.begin(2, module.num_features)
    if chain.rank == 3:
        chain.channels()
    affine = module.affine
    chain.add(
        layers.BatchNorm(momentum=module.momentum, epsilon=module.eps, use_scale=affine, use_shift=affine),
        [(name, None)],
    )


def _group_norm(chain: Chain, name: str, module: Any, options: Mapping[str, Any]) -> None:
    is_instance = kind_of(module) == "InstanceNorm1d"
    require(not (is_instance and module.track_running_stats), "track_running_stats=True")
    features = module.num_features if is_instance else module.num_channels
    chain.begin(3, features)
    if chain.rank == 3:
        chain.channels()
    groups, affine = features if is_instance else module.num_groups, module.affine
    made = layers.GroupNorm(groups, epsilon=module.eps, use_scale=affine, use_shift=affine)
    chain.add(made, [(name, None)] if affine else [])


def _layer_norm(chain: Chain, name: str, module: Any, options: Mapping[str, Any]) -> None:
    sizes = tuple(module.normalized_shape)
    is_rms = kind_of(module) == "RMSNorm"
    require(len(sizes) == 1, f"normalized_shape={sizes}")
    chain.begin(3, sizes[0])
    chain.last()
    scaled = module.weight is not None
    made: Layer
    if is_rms:
        require(module.eps is not None, "eps=None")
        made = layers.RMSNorm(epsilon=module.eps, use_scale=scaled)
    else:
        made = layers.LayerNorm(epsilon=module.eps, use_scale=scaled, use_shift=module.bias is not None)
    chain.add(made, [(name, None)] if scaled else [])


def _self_attention(module: Any) -> layers.SelfAttention:
    require(module.bias_k is None and not module.add_zero_attn, "add_bias_kv or add_zero_attn")
    require(module._qkv_same_embed_dim, "kdim or vdim")
    require(module.in_proj_bias is not None or module.out_proj.bias is None, "a bias of the output alone")
    return layers.SelfAttention(module.num_heads, dropout=module.dropout, use_bias=module.in_proj_bias is not None)


def _attention(chain: Chain, name: str, module: Any, options: Mapping[str, Any]) -> None:
    chain.begin(3, module.embed_dim)
    chain.steps_first(module.batch_first)
    chain.add(_self_attention(module), [(name, None)])


def _encoder_layer(chain: Chain, name: str, module: Any, options: Mapping[str, Any]) -> None:
    """Add what a layer of a transformer does, with its norms behind the sums or before what is added."""
    attention, first, second = module.self_attn, module.linear1, module.linear2
    chain.begin(3, attention.embed_dim)
    chain.steps_first(attention.batch_first)
    function = getattr(module.activation, "__name__", type(module.activation).__name__.lower())
    require(function in ("relu", "gelu"), f"activation={function}")
    rates = module.dropout1.p, module.dropout.p, module.dropout2.p
    attending: list[Layer] = [_self_attention(attention), *_dropped(rates[0])]
    forward: list[Layer] = [
        layers.Dense(first.out_features, use_bias=first.bias is not None),
        layers.ReLU() if function == "relu" else layers.GELU(),
        *_dropped(rates[1]), layers.Dense(second.out_features, use_bias=second.bias is not None), *_dropped(rates[2]),
    ]  # fmt: skip
    norms = [layers.LayerNorm(epsilon=one.eps, use_shift=one.bias is not None) for one in (module.norm1, module.norm2)]
    dot = f"{name}." if name else ""
    if module.norm_first:
        chain.add([Residual(Sequential(norms[0], *attending)), Residual(Sequential(norms[1], *forward))])
        order = ("norm1", "self_attn", "norm2", "linear1", "linear2")
    else:
        chain.add([Residual(Sequential(*attending)), norms[0], Residual(Sequential(*forward)), norms[1]])
        order = ("self_attn", "norm1", "linear1", "linear2", "norm2")
    chain.places += [(f"{dot}{one}", None) for one in order]


def _dropped(rate: float) -> list[Layer]:
    return [layers.Dropout(rate)] if rate else []


def _encoder(chain: Chain, name: str, module: Any, options: Mapping[str, Any]) -> None:
    dot = f"{name}." if name else ""
    for number, one in enumerate(module.layers):
        _encoder_layer(chain, f"{dot}layers.{number}", one, options)
    if module.norm is not None:
        _layer_norm(chain, f"{dot}norm", module.norm, options)


def _prelu(chain: Chain, name: str, module: Any, options: Mapping[str, Any]) -> None:
    chain.begin(2)
    if chain.rank == 3 and module.num_parameters > 1:
        chain.channels()
    chain.add(layers.PReLU(shared=module.num_parameters == 1), [(name, None)])


def _whole_mean(chain: Chain, name: str, module: Any, options: Mapping[str, Any]) -> None:
    """Add the mean, or the maximum, over all steps, of which PyTorch keeps one."""
    require(_one(module.output_size) == 1, f"output_size={module.output_size}")
    require(not getattr(module, "return_indices", False), "return_indices")
    chain.begin(3)
    chain.channels()
    is_mean = kind_of(module) == "AdaptiveAvgPool1d"
    chain.add([layers.GlobalAveragePool1D() if is_mean else layers.GlobalMaxPool1D(), layers.RepeatVector(1)])
    chain.order = CHANNELS


MODULES: dict[str, Maker] = {
    "AdaptiveAvgPool1d": _whole_mean,
    "AdaptiveMaxPool1d": _whole_mean,
    "AvgPool1d": _pool,
    "BatchNorm1d": _batch_norm,
    "Conv1d": _convolution,
    "ConvTranspose1d": _convolution,
    "Embedding": _embedding,
    "GRU": _recurrent,
    "GroupNorm": _group_norm,
    "InstanceNorm1d": _group_norm,
    "LSTM": _recurrent,
    "LayerNorm": _layer_norm,
    "Linear": _linear,
    "NonDynamicallyQuantizableLinear": _linear,
    "MaxPool1d": _pool,
    "MultiheadAttention": _attention,
    "PReLU": _prelu,
    "RMSNorm": _layer_norm,
    "RNN": _recurrent,
    "TransformerEncoder": _encoder,
    "TransformerEncoderLayer": _encoder_layer,
}
