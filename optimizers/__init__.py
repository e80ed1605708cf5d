"""Optimizers: one a file."""

if __name__ != "lamina.optimizers":
    raise ImportError("import lamina.optimizers, not optimizers")

from typing import TYPE_CHECKING, Any

from lamina.optimizers.adadelta import AdaDelta
from lamina.optimizers.adagrad import AdaGrad
from lamina.optimizers.adam import Adam
from lamina.optimizers.adamw import AdamW
from lamina.optimizers.amsgrad import AMSGrad
from lamina.optimizers.clipping import clip_global_norm, clip_value
from lamina.optimizers.rmsprop import RMSprop
from lamina.optimizers.sgd import SGD

if TYPE_CHECKING:
    from lamina.optimizers import schedules
    from lamina.optimizers.schedules import (
        CosineDecay,
        ExponentialDecay,
        LinearDecay,
        LinearWarmup,
        MultiStepDecay,
        OneCycle,
        ProductSchedule,
        ReduceOnPlateau,
        Schedule,
        StepDecay,
    )

__all__ = [
    "AMSGrad",
    "AdaDelta",
    "AdaGrad",
    "Adam",
    "AdamW",
    "CosineDecay",
    "ExponentialDecay",
    "LinearDecay",
    "LinearWarmup",
    "MultiStepDecay",
    "OneCycle",
    "ProductSchedule",
    "RMSprop",
    "ReduceOnPlateau",
    "SGD",
    "Schedule",
    "StepDecay",
    "clip_global_norm",
    "clip_value",
    "schedules",
]


def __getattr__(name: str) -> Any:
    # Schedules are callbacks, which are imported when first used: they bring along what files are written with.
    if name not in __all__:
        raise AttributeError(f"module 'lamina.optimizers' has no attribute {name!r}")
    from importlib import import_module

    module = import_module("lamina.optimizers.schedules")
    return module if name == "schedules" else getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
