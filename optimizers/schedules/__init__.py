"""Learning-rate schedules by name, each a function of n, the epochs or steps taken, and lr, the rate at first."""

from lamina.optimizers.schedules.cyclic import Cyclic
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
from lamina.optimizers.schedules.inverse_time import InverseTimeDecay
from lamina.optimizers.schedules.piecewise import PiecewiseConstant
from lamina.optimizers.schedules.plateau import ReduceOnPlateau
from lamina.optimizers.schedules.polynomial import PolynomialDecay
from lamina.optimizers.schedules.product import ProductSchedule
from lamina.optimizers.schedules.schedule import Schedule
from lamina.optimizers.schedules.sequential import SequentialSchedule

__all__ = [
    "CosineDecay",
    "Cyclic",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LinearDecay",
    "LinearWarmup",
    "MultiStepDecay",
    "OneCycle",
    "PiecewiseConstant",
    "PolynomialDecay",
    "ProductSchedule",
    "ReduceOnPlateau",
    "Schedule",
    "SequentialSchedule",
    "StepDecay",
    "find",
]
