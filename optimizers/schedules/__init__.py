"""Learning-rate schedules by name, each a function of n, the epochs or steps taken, and lr, the rate at first."""

from lamina.optimizers.schedules.decays import (
    CosineDecay,
    ExponentialDecay,
    LinearDecay,
    LinearWarmup,
    MultiStepDecay,
    OneCycle,
    StepDecay,
    find,
)
from lamina.optimizers.schedules.plateau import ReduceOnPlateau
from lamina.optimizers.schedules.product import ProductSchedule
from lamina.optimizers.schedules.schedule import Schedule

__all__ = [
    "CosineDecay",
    "ExponentialDecay",
    "LinearDecay",
    "LinearWarmup",
    "MultiStepDecay",
    "OneCycle",
    "ProductSchedule",
    "ReduceOnPlateau",
    "Schedule",
    "StepDecay",
    "find",
]
