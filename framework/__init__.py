"""Lamina: layers, losses and optimizers for sequences, as parts that snap together.

>>> import lamina
>>> model = lamina.Sequential(lamina.layers.SimpleRNN(32), lamina.layers.Dense(9))
>>> model.build((None, None, 12), seed=0)
(None, 9)
"""

if __name__ != "lamina":
    raise ImportError("import lamina, not framework")

from typing import TYPE_CHECKING, Any

from lamina import backends, errors, initializers, layers, losses, optimizers
from lamina.activation import Activation
from lamina.backends import Backend, available_backends, get_backend, register_backend, use_backend
from lamina.bidirectional import Bidirectional
from lamina.composite import Composite
from lamina.concat import Concat
from lamina.layer import Layer
from lamina.loss import Loss
from lamina.optimizer import Optimizer
from lamina.parameter import Parameter
from lamina.randomness import RandomLayer
from lamina.recurrent import Cell, Recurrent, RecurrentLayer
from lamina.registry import register
from lamina.residual import Residual
from lamina.sequential import Sequential

if TYPE_CHECKING:
    from lamina import callbacks, datasets, inspect, metrics, testing
    from lamina.averaging import WeightAverage
    from lamina.checkpoint import load
    from lamina.history import History
    from lamina.sequences import pad
    from lamina.streaming import Stream
    from lamina.trainer import Trainer

__version__ = "0.1.0"

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
    "datasets",
    "errors",
    "get_backend",
    "initializers",
    "inspect",
    "layers",
    "load",
    "losses",
    "metrics",
    "optimizers",
    "pad",
    "register",
    "register_backend",
    "testing",
    "use_backend",
]

# Imported when first used, so that ``import lamina`` costs little more than ``import numpy``.
_LAZY = {
    "History": "lamina.history",
    "Stream": "lamina.streaming",
    "Trainer": "lamina.trainer",
    "WeightAverage": "lamina.averaging",
    "load": "lamina.checkpoint",
    "pad": "lamina.sequences",
}
_LAZY_MODULES = ("callbacks", "datasets", "inspect", "metrics", "testing")


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    if name in _LAZY_MODULES:
        return import_module(f"lamina.{name}")
    raise AttributeError(f"module 'lamina' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
