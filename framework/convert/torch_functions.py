"""What has no weights in PyTorch, module or function: activations, dropout, the choice and the exchange of axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import lamina.layers as layers
from lamina.convert.chain import CHANNELS, TIME, Chain
from lamina.convert.torch_modules import require
from lamina.core.layer import Layer
from lamina.errors import ConversionError

__all__ = ["FUNCTIONS", "WEIGHTLESS"]

Settings = Mapping[str, Any]


def _softplus(beta: float = 1.0, threshold: float = 20.0) -> Layer:
    require(threshold == 20, f"threshold={threshold}")
    return layers.Softplus(beta)


# By the module's name: what makes the layer of its settings, and which these are.
_POINTWISE: dict[str, tuple[Callable[..., Layer], tuple[str, ...]]] = {
    "CELU": (layers.CELU, ("alpha",)),
    "ELU": (layers.ELU, ("alpha",)),
    "GELU": (layers.GELU, ("approximate",)),
    "Hardsigmoid": (layers.HardSigmoid, ()),
    "Hardswish": (layers.HardSwish, ()),
    "LeakyReLU": (layers.LeakyReLU, ("negative_slope",)),
    "Mish": (layers.Mish, ()),
    "ReLU": (layers.ReLU, ()),
    "ReLU6": (layers.ReLU6, ()),
    "SELU": (layers.SELU, ()),
    "SiLU": (layers.SiLU, ()),
    "Sigmoid": (layers.Sigmoid, ()),
    "Softplus": (_softplus, ("beta", "threshold")),
    "Softsign": (layers.Softsign, ()),
    "Tanh": (layers.Tanh, ()),
}
# By a function's or method's name: the module's.
_CALLED = {
    "celu": "CELU", "elu": "ELU", "gelu": "GELU", "hardsigmoid": "Hardsigmoid", "hardswish": "Hardswish",
    "leaky_relu": "LeakyReLU", "mish": "Mish", "relu": "ReLU", "relu6": "ReLU6", "selu": "SELU", "silu": "SiLU",
    "sigmoid": "Sigmoid", "softplus": "Softplus", "softsign": "Softsign", "tanh": "Tanh", "relu_": "ReLU",
    "tanh_": "Tanh", "sigmoid_": "Sigmoid",
}  # fmt: skip


def _pointwise(chain: Chain, module: Any) -> None:
    make, names = _POINTWISE[type(module).__name__]
    chain.add(make(*(getattr(module, name) for name in names)))


def _dropout(chain: Chain, module: Any) -> None:
    if module.p:
        chain.add(layers.Dropout(module.p))


def _softmax_over(chain: Chain, dim: Any, logarithm: bool) -> None:
    require(dim is not None, "dim=None")
    meaning = chain.axis(dim)
    require(meaning != "batch", "dim is the batch")
    axis = -1 if meaning == "features" else 1
    chain.add(layers.LogSoftmax(axis) if logarithm else layers.Softmax(axis))


def _flatten_from(chain: Chain, start: int, end: int) -> None:
    rank = chain.rank or 2
    require(start == 1 and end in (-1, rank - 1), f"flattens the axes {start} to {end}")
    require(chain.order != TIME, "flattens an array with the time first")
    if rank == 3 and chain.order == CHANNELS:
        chain.add(layers.Permute((2, 1)))
    if rank == 3:
        chain.add(layers.Flatten())
    chain.become(2)


def _nothing(chain: Chain, *ignored: Any) -> None:
    """Add nothing."""


WEIGHTLESS: dict[str, Callable[[Chain, Any], None]] = {
    **dict.fromkeys(_POINTWISE, _pointwise),
    "Dropout": _dropout,
    "Flatten": lambda chain, module: _flatten_from(chain, module.start_dim, module.end_dim),
    "Identity": _nothing,
    "LogSoftmax": lambda chain, module: _softmax_over(chain, module.dim, True),
    "Softmax": lambda chain, module: _softmax_over(chain, module.dim, False),
}


def _given(arguments: Sequence[Any], options: Settings, *names: str) -> list[Any]:
    """Return arguments by their names, None where one is not given; others must not be."""
    found = dict(zip(names, arguments, strict=False)) | dict(options)
    known = {*names, "inplace", "_stacklevel", "training"}
    if set(found) - known or len(arguments) > len(names):
        raise ConversionError(f"arguments {sorted(set(found) - known) or len(arguments)}")
    return [found.get(name) for name in names]


def _called_pointwise(name: str) -> Callable[[Chain, Sequence[Any], Settings], None]:
    make, names = _POINTWISE[_CALLED[name]]

    def add(chain: Chain, arguments: Sequence[Any], options: Settings) -> None:
        values = _given(arguments, options, *names)
        given = {index: value for index, value in enumerate(values) if value is not None}
        if given and list(given) != list(range(len(given))):
            raise ConversionError("arguments by name that others come before")
        chain.add(make(*given.values()))

    return add


def _chosen(chain: Chain, arguments: Sequence[Any], options: Settings) -> None:
    """Add the choice of a step: ``x[:, -1]``, or ``x[-1]`` where the time is first."""
    index = arguments[0] if isinstance(arguments[0], tuple) else (arguments[0],)
    places = [(axis, one) for axis, one in enumerate(index) if one != slice(None)]
    if len(places) != 1 or type(places[0][1]) is not int:
        raise ConversionError(f"takes {arguments[0]} of an array")
    ((axis, place),) = places
    chain.steps()
    if chain.order in (None, "last") and axis == 0:
        raise ConversionError("chooses a row of the batch")
    meaning = chain.axis(axis)
    require(meaning != "batch", "chooses a row of the batch")
    chain.add(layers.Select(place, 1 if meaning == "time" else 2))
    chain.become(2)


def _over_time(layer: Callable[[], Layer]) -> Callable[[Chain, Sequence[Any], Settings], None]:
    def add(chain: Chain, arguments: Sequence[Any], options: Settings) -> None:
        dim, keepdim = _given(arguments, options, "dim", "keepdim")
        dim = dim[0] if isinstance(dim, (tuple, list)) and len(dim) == 1 else dim
        require(type(dim) is int and not keepdim and chain.rank == 3, "not over the time alone")
        require(chain.axis(dim) == "time", "not over the time")
        chain.add(layer())
        chain.become(2)

    return add


def _permuted(chain: Chain, arguments: Sequence[Any], options: Settings) -> None:
    axes = arguments[0] if len(arguments) == 1 else arguments
    moved = [place for place, axis in enumerate(axes) if axis % 3 != place]
    chain.steps()
    require(len(axes) == 3 and len(moved) in (0, 2), f"permutes {tuple(axes)}")
    if moved:
        chain.swap(*moved)


def _dropped(chain: Chain, arguments: Sequence[Any], options: Settings) -> None:
    rate = _given(arguments, options, "p")[0]
    chain.add(layers.Dropout(0.5 if rate is None else rate))


def _softmax(logarithm: bool) -> Callable[[Chain, Sequence[Any], Settings], None]:
    return lambda chain, arguments, options: _softmax_over(chain, _given(arguments, options, "dim")[0], logarithm)


def _flattened(chain: Chain, arguments: Sequence[Any], options: Settings) -> None:
    start, end = _given(arguments, options, "start_dim", "end_dim")
    _flatten_from(chain, 0 if start is None else start, -1 if end is None else end)


FUNCTIONS: dict[str, Callable[[Chain, Sequence[Any], Settings], None]] = {
    **{name: _called_pointwise(name) for name in _CALLED},
    "amax": _over_time(layers.GlobalMaxPool1D),
    "contiguous": _nothing,
    "dropout": _dropped,
    "flatten": _flattened,
    "getitem": _chosen,
    "log_softmax": _softmax(True),
    "mean": _over_time(layers.GlobalAveragePool1D),
    "permute": _permuted,
    "softmax": _softmax(False),
    "swapaxes": lambda chain, arguments, options: chain.swap(*arguments),
    "transpose": lambda chain, arguments, options: chain.swap(*arguments),
}
