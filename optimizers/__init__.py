"""Optimizers: one a file."""

if __name__ != "lamina.optimizers":
    raise ImportError("import lamina.optimizers, not optimizers")

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lamina.core.registry import part_of
from lamina.optimization.optimizer import Optimizer
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
    from lamina.optimizers.adafactor import Adafactor
    from lamina.optimizers.adamax import Adamax
    from lamina.optimizers.lbfgs import LBFGS
    from lamina.optimizers.lion import Lion
    from lamina.optimizers.lookahead import Lookahead
    from lamina.optimizers.muon import Muon
    from lamina.optimizers.nadam import NAdam
    from lamina.optimizers.radam import RAdam
    from lamina.optimizers.schedules import (
        CosineDecay,
        Cyclic,
        ExponentialDecay,
        InverseTimeDecay,
        LinearDecay,
        LinearWarmup,
        MultiStepDecay,
        OneCycle,
        PiecewiseConstant,
        PolynomialDecay,
        ProductSchedule,
        ReduceOnPlateau,
        Schedule,
        SequentialSchedule,
        StepDecay,
    )

__all__ = [
    "AMSGrad",
    "AdaDelta",
    "AdaGrad",
    "Adafactor",
    "Adam",
    "AdamW",
    "Adamax",
    "CosineDecay",
    "Cyclic",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LBFGS",
    "LinearDecay",
    "LinearWarmup",
    "Lion",
    "Lookahead",
    "MultiStepDecay",
    "Muon",
    "NAdam",
    "OneCycle",
    "PiecewiseConstant",
    "PolynomialDecay",
    "ProductSchedule",
    "RAdam",
    "RMSprop",
    "ReduceOnPlateau",
    "SGD",
    "Schedule",
    "SequentialSchedule",
    "StepDecay",
    "clip_global_norm",
    "clip_value",
    "schedules",
]

# Of these the modules are imported when first asked for: few programs use more than one optimizer.
_MODULES = {
    "Adafactor": "adafactor",
    "Adamax": "adamax",
    "LBFGS": "lbfgs",
    "Lion": "lion",
    "Lookahead": "lookahead",
    "Muon": "muon",
    "NAdam": "nadam",
    "RAdam": "radam",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES or name not in __all__:
        return part_of(__name__, _MODULES, name)
    # Schedules are callbacks, which are imported when first used: they bring along what files are written with.
    module = import_module("lamina.optimizers.schedules")
    return module if name == "schedules" else getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


Optimizer.registry.expect({name: f"lamina.optimizers.{module}" for name, module in _MODULES.items()})
