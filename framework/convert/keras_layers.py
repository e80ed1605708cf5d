"""Keras's layers as layers: what each becomes, from its configuration as Keras writes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import lamina.layers as layers
from lamina.compose.bidirectional import Bidirectional
from lamina.convert.chain import Chain
from lamina.convert.torch_modules import require
from lamina.core.layer import Layer
from lamina.errors import ConversionError, shown
from lamina.kinds.recurrent import RecurrentLayer

__all__ = ["KERAS_LAYERS", "activation"]

Config: TypeAlias = Mapping[str, Any]

_ACTIVATIONS: dict[str, Callable[[], Layer]] = {
    "celu": layers.CELU,
    "elu": layers.ELU,
    "gelu": layers.GELU,
    "hard_sigmoid": layers.HardSigmoid,
    "hard_silu": layers.HardSwish,
    "hard_swish": layers.HardSwish,
    "leaky_relu": lambda: layers.LeakyReLU(0.2),  # Keras's function; its layer's is 0.3
    "log_softmax": layers.LogSoftmax,
    "mish": layers.Mish,
    "relu": layers.ReLU,
    "relu6": layers.ReLU6,
    "selu": layers.SELU,
    "sigmoid": layers.Sigmoid,
    "silu": layers.SiLU,
    "softmax": layers.Softmax,
    "softplus": layers.Softplus,
    "softsign": layers.Softsign,
    "swish": layers.SiLU,
    "tanh": layers.Tanh,
}


def activation(name: Any) -> list[Layer]:
    """Return the layer of an activation's name; none for the one that changes nothing."""
    if isinstance(name, Mapping):
        name = name.get("config")
    if name in (None, "linear"):
        return []
    if not isinstance(name, str) or name not in _ACTIVATIONS:
        raise ConversionError(f"activation={shown(name)}")
    return [_ACTIVATIONS[name]()]


def _one(value: Any) -> Any:
    return value[0] if isinstance(value, (tuple, list)) else value


def _weighted(chain: Chain, layer: Layer, place: str, config: Config) -> None:
    chain.add([layer, *activation(config.get("activation"))], [(place, None)])


def _dense(chain: Chain, place: str, config: Config, call: Config) -> None:
    require(not config.get("lora_rank") and not config.get("quantization_config"), "lora or quantization")
    _weighted(chain, layers.Dense(config["units"], use_bias=config["use_bias"]), place, config)


def _embedding(chain: Chain, place: str, config: Config, call: Config) -> None:
    require(not config.get("mask_zero"), "mask_zero=True: Lamina's layers are given lengths")
    chain.add(layers.Embedding(config["input_dim"], config["output_dim"], row_wise=False), [(place, None)])
    chain.rank = (chain.rank or 2) + 1


def recurrent(kind: str, config: Config) -> tuple[RecurrentLayer, float]:
    """Return a recurrent layer and the rate of the dropout of its inputs."""
    for name, wanted in (("return_state", False), ("stateful", False)):
        require(config.get(name, wanted) == wanted, f"{name}={config.get(name)}")
    function, gates = config["activation"], config.get("recurrent_activation", "sigmoid")
    require(gates == "sigmoid", f"recurrent_activation={shown(gates)}")
    settings: dict[str, Any] = {name: config[name] for name in ("use_bias", "return_sequences", "recurrent_dropout")}
    rate = float(config.get("dropout") or 0.0)
    if kind == "SimpleRNN":
        require(function in ("tanh", "relu"), f"activation={shown(function)}")
        return layers.SimpleRNN(config["units"], activation=function, **settings), rate
    require(function == "tanh", f"activation={shown(function)}")
    if kind == "LSTM":
        return layers.LSTM(config["units"], **settings), rate
    return layers.GRU(config["units"], reset_after=config["reset_after"], **settings), rate


def _recurrent(kind: str) -> Callable[..., None]:
    def add(chain: Chain, place: str, config: Config, call: Config) -> None:
        layer, rate = recurrent(kind, config)
        back = config.get("go_backwards", False)
        require(not (back and config["return_sequences"]), "go_backwards with return_sequences: outputs are turned")
        if back:
            layer = type(layer)(**{**layer.config(), "go_backwards": True})
        chain.add([*([layers.RecurrentDropout(rate)] if rate else []), layer], [(place, None)])
        chain.rank = 3 if config["return_sequences"] else 2

    return add


def _bidirectional(chain: Chain, place: str, config: Config, call: Config) -> None:
    inner, merge = config["layer"], config.get("merge_mode")
    merges = {"concat": "concat", "sum": "sum", "mul": "multiply", "ave": "average"}
    require(merge in merges, f"merge_mode={merge}")
    require(inner["class_name"] in ("LSTM", "GRU", "SimpleRNN"), f"a layer {inner['class_name']}")
    require(not inner["config"].get("go_backwards"), "a first layer with go_backwards")
    back = config.get("backward_layer") or inner
    heeded = ("units", "activation", "recurrent_activation", "reset_after", "use_bias", "return_sequences")
    alike = all(back["config"].get(name) == inner["config"].get(name) for name in heeded)
    require(back["class_name"] == inner["class_name"] and alike, "two layers that differ")
    layer, rate = recurrent(inner["class_name"], inner["config"])
    require(not rate, "dropout of the inputs in two directions")
    chain.add(Bidirectional(layer, merges[str(merge)]), [(place, None)])
    chain.rank = 3 if inner["config"]["return_sequences"] else 2


def _convolution(chain: Chain, place: str, config: Config, call: Config) -> None:
    stride = _one(config["strides"])
    require(config.get("data_format") in (None, "channels_last"), f"data_format={config.get('data_format')!r}")
    require(not (config["padding"] == "same" and stride > 1), "padding='same' with strides: Keras's windows differ")
    settings = {name: config[name] for name in ("padding", "groups", "use_bias")}
    dilation = _one(config["dilation_rate"])
    made = layers.Conv1D(config["filters"], _one(config["kernel_size"]), stride=stride, dilation=dilation, **settings)
    _weighted(chain, made, place, config)


def _transposed(chain: Chain, place: str, config: Config, call: Config) -> None:
    stride, dilation, size = (_one(config[name]) for name in ("strides", "dilation_rate", "kernel_size"))
    require(config.get("data_format") in (None, "channels_last"), f"data_format={config.get('data_format')!r}")
    require(config.get("output_padding") is None, "output_padding")
    alike = config["padding"] == "valid" and stride <= (size - 1) * dilation + 1
    require(alike or stride == 1, f"padding={config['padding']!r} with strides={stride}: Keras's windows differ")
    made = layers.Conv1DTranspose(
        config["filters"], size, stride=stride, padding=config["padding"], dilation=dilation,
        use_bias=config["use_bias"],
    )  # fmt: skip
    _weighted(chain, made, place, config)


def _pool(chain: Chain, place: str, config: Config, call: Config) -> None:
    size, padding = _one(config["pool_size"]), config["padding"]
    stride = _one(config["strides"]) or size
    require(config.get("data_format") in (None, "channels_last"), f"data_format={config.get('data_format')!r}")
    require(padding == "valid" or stride == 1, "padding='same' with strides: Keras's windows differ")
    kind = layers.MaxPool1D if config["name_of_class"].startswith("Max") else layers.AveragePool1D
    chain.add(kind(size, stride, padding))


def _whole(layer: Callable[[], Layer]) -> Callable[..., None]:
    def add(chain: Chain, place: str, config: Config, call: Config) -> None:
        require(not config.get("keepdims"), "keepdims=True")
        require(config.get("data_format") in (None, "channels_last"), f"data_format={config.get('data_format')!r}")
        chain.add(layer())
        chain.rank = 2

    return add


def _last_axis(chain: Chain, config: Config) -> None:
    axis = config["axis"]
    axis = axis[0] if isinstance(axis, (list, tuple)) and len(axis) == 1 else axis
    require(axis in (-1, (chain.rank or 0) - 1), f"axis={axis}")


def _norm(kind: Callable[..., Layer], scale: str = "scale") -> Callable[..., None]:
    def add(chain: Chain, place: str, config: Config, call: Config) -> None:
        _last_axis(chain, config)
        settings: dict[str, Any] = {"epsilon": config["epsilon"]}
        if kind is not layers.RMSNorm:
            settings |= {"use_scale": config[scale], "use_shift": config["center"]}
        if kind is layers.BatchNorm:
            settings["momentum"] = round(1 - config["momentum"], 12)
        if kind is layers.LayerNorm:
            require(not config.get("rms_scaling"), "rms_scaling=True")
        made = layers.GroupNorm(config["groups"], **settings) if kind is layers.GroupNorm else kind(**settings)
        held = kind in (layers.BatchNorm, layers.RMSNorm) or config[scale] or config["center"]
        chain.add(made, [(place, None)] if held else [])

    return add


def _attention(chain: Chain, place: str, config: Config, call: Config) -> None:
    require(chain.rank == 3 and list(config.get("attention_axes") or [1]) == [1], "attention_axes")
    require(config.get("value_dim") in (None, config["key_dim"]), "value_dim")
    require(not config.get("output_shape") and not config.get("use_gate"), "output_shape or use_gate")
    require(not config.get("sliding_window"), "sliding_window")
    require(not set(call) - {"use_causal_mask", "training", "return_attention_scores"}, f"call with {sorted(call)}")
    require(not call.get("return_attention_scores"), "return_attention_scores=True")
    made = layers.SelfAttention(
        config["num_heads"], config["num_heads"] * config["key_dim"], causal=bool(call.get("use_causal_mask")),
        dropout=config["dropout"], use_bias=config["use_bias"],
    )  # fmt: skip
    chain.add(made, [(place, None)])


def _relu(chain: Chain, place: str, config: Config, call: Config) -> None:
    most, slope, threshold = config.get("max_value"), config.get("negative_slope", 0), config.get("threshold", 0)
    require(not threshold and most in (None, 6) and not (most and slope), "max_value, negative_slope or threshold")
    chain.add(layers.ReLU6() if most else layers.LeakyReLU(slope) if slope else layers.ReLU())


def _prelu(chain: Chain, place: str, config: Config, call: Config) -> None:
    shared, rank = sorted(config.get("shared_axes") or []), chain.rank or 2
    steps = list(range(1, rank - 1))
    require(shared in (steps, [*steps, rank - 1]), f"shared_axes={shared}")
    chain.add(layers.PReLU(shared=rank - 1 in shared), [(place, None)])


def _dropout(kind: Callable[[float], Layer]) -> Callable[..., None]:
    def add(chain: Chain, place: str, config: Config, call: Config) -> None:
        require(not config.get("noise_shape"), "noise_shape")
        if config["rate"]:
            chain.add(kind(config["rate"]))

    return add


def _reshaping(make: Callable[[Config], Layer], rank: Callable[[Config], int]) -> Callable[..., None]:
    def add(chain: Chain, place: str, config: Config, call: Config) -> None:
        require(config.get("data_format") in (None, "channels_last"), f"data_format={config.get('data_format')!r}")
        if not (config["name_of_class"] == "Flatten" and chain.rank == 2):
            chain.add(make(config))
        chain.rank = rank(config)

    return add


def _plain(make: Callable[[Config], Layer | list[Layer]]) -> Callable[..., None]:
    return lambda chain, place, config, call: chain.add(make(config))


KERAS_LAYERS: dict[str, Callable[[Chain, str, Config, Config], None]] = {
    "Activation": _plain(lambda config: activation(config["activation"])),
    "AveragePooling1D": _pool,
    "BatchNormalization": _norm(layers.BatchNorm),
    "Bidirectional": _bidirectional,
    "Conv1D": _convolution,
    "Conv1DTranspose": _transposed,
    "Dense": _dense,
    "Dropout": _dropout(layers.Dropout),
    "ELU": _plain(lambda config: layers.ELU(config["alpha"])),
    "Embedding": _embedding,
    "Flatten": _reshaping(lambda config: layers.Flatten(), lambda config: 2),
    "GRU": _recurrent("GRU"),
    "GlobalAveragePooling1D": _whole(layers.GlobalAveragePool1D),
    "GlobalMaxPooling1D": _whole(layers.GlobalMaxPool1D),
    "GroupNormalization": _norm(layers.GroupNorm),
    "Identity": _plain(lambda config: []),
    "LSTM": _recurrent("LSTM"),
    "LayerNormalization": _norm(layers.LayerNorm),
    "LeakyReLU": _plain(lambda config: layers.LeakyReLU(config["negative_slope"])),
    "MaxPooling1D": _pool,
    "MultiHeadAttention": _attention,
    "PReLU": _prelu,
    "Permute": _plain(lambda config: layers.Permute(tuple(config["dims"]))),
    "RMSNormalization": _norm(layers.RMSNorm),
    "ReLU": _relu,
    "RepeatVector": _reshaping(lambda config: layers.RepeatVector(config["n"]), lambda config: 3),
    "Rescaling": _plain(lambda config: layers.Rescaling(config["scale"], config["offset"])),
    "Reshape": _reshaping(
        lambda config: layers.Reshape(config["target_shape"]), lambda config: 1 + len(config["target_shape"])
    ),
    "SimpleRNN": _recurrent("SimpleRNN"),
    "Softmax": _plain(lambda config: layers.Softmax(config["axis"])),
    "SpatialDropout1D": _dropout(layers.RecurrentDropout),
}
