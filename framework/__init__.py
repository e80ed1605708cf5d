"""Lamina: layers, losses and optimizers for sequences, as parts that snap together.

>>> import lamina
>>> model = lamina.Sequential(lamina.layers.SimpleRNN(32), lamina.layers.Dense(9))
>>> model.build((None, None, 12), seed=0)
(None, 9)
"""

if __name__ != "lamina":
    raise ImportError("import lamina, not framework")
else:  # before what takes long to import
    from lamina.core.starting import watch as _watch

    _watch()

from typing import TYPE_CHECKING, Any

from lamina import backends, errors, initializers, layers, losses, optimizers
from lamina.backends import Backend, available_backends, get_backend, register_backend, use_backend
from lamina.compose.bidirectional import Bidirectional
from lamina.compose.composite import Composite
from lamina.compose.concat import Concat
from lamina.compose.residual import Residual
from lamina.compose.sequential import Sequential
from lamina.core.layer import Layer
from lamina.core.parameter import Parameter
from lamina.core.registry import register
from lamina.core.version import __version__ as __version__
from lamina.kinds.activation import Activation
from lamina.kinds.cell import Cell, Recurrent
from lamina.kinds.random import RandomLayer
from lamina.kinds.recurrent import RecurrentLayer
from lamina.losses.loss import Loss
from lamina.optimization.optimizer import Optimizer

if TYPE_CHECKING:
    from lamina import callbacks, convert, datasets, decoding, distributed, inspect, metrics, onnx, sklearn, testing
    from lamina.compose.stream import Stream
    from lamina.core.load import load
    from lamina.data.compact import compact
    from lamina.data.padding import pad
    from lamina.plan.compiled import compile
    from lamina.train.history import History
    from lamina.train.trainer import Trainer
    from lamina.train.weight_average import WeightAverage

__all__ = [
    "Activation",
    "Backend",
    "Bidirectional",
    "Cell",
    "Composite",
    "Concat",
    "History",
    "Layer",
    "Loss",
    "Optimizer",
    "Parameter",
    "RandomLayer",
    "Recurrent",
    "RecurrentLayer",
    "Residual",
    "Sequential",
    "Stream",
    "Trainer",
    "WeightAverage",
    "available_backends",
    "backends",
    "callbacks",
    "compact",
    "compile",
    "convert",
    "datasets",
    "decoding",
    "distributed",
    "errors",
    "get_backend",
    "initializers",
    "inspect",
    "layers",
    "load",
    "losses",
    "metrics",
    "onnx",
    "optimizers",
    "pad",
    "register",
    "register_backend",
    "sklearn",
    "testing",
    "use_backend",
]

# Imported when first used, so that ``import lamina`` costs little more than ``import numpy``.
_LAZY = {
    "History": "lamina.train.history",
    "Stream": "lamina.compose.stream",
    "Trainer": "lamina.train.trainer",
    "WeightAverage": "lamina.train.weight_average",
    "compact": "lamina.data.compact",
    "compile": "lamina.plan.compiled",
    "load": "lamina.core.load",
    "pad": "lamina.data.padding",
}
_LAZY_MODULES = (
    "callbacks",
    "convert",
    "datasets",
    "decoding",
    "distributed",
    "inspect",
    "metrics",
    "onnx",
    "sklearn",
    "testing",
)

Layer.registry.expect({"OnnxGraph": "lamina.onnx.wiring"})


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    if name in _LAZY_MODULES:
        return import_module(f"lamina.{name}")
    raise AttributeError(f"module 'lamina' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
