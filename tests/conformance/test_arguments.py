"""Every argument of every part is checked: booleans, numbers, whole numbers and choices of a name."""

import inspect
import math
import re
from typing import Any

import pytest

import lamina
from lamina.core.config import Configured
from lamina.errors import ArgumentError
from lamina.testing import cases

# What no value of that kind may be. None stands for "not given" in many places, so it is tried with booleans alone.
WRONG: dict[type, tuple[Any, ...]] = {
    bool: ("no", "True", 2, -1, 0.5, None, [], math.nan),
    int: (1.5, "3", True, math.nan, [2]),
    float: ("0.1", True, math.nan, math.inf, [0.1], 1j),
    str: ("nonsense", 3, True, ["tanh"]),
}


def parts() -> list[Configured]:
    made: list[Any] = [case.make() for case in (*cases.layer_cases(), *cases.loss_cases())]
    trained = lamina.layers.Dense(1)
    trained.build((None, 1), seed=0)
    made += [case.make(trained.parameters()) for case in cases.optimizer_cases()]
    made += [lamina.metrics.Metric.registry.find(name)() for name in lamina.metrics.Metric.registry.names()]
    schedules = lamina.optimizers
    made += [
        schedules.StepDecay(2),
        schedules.MultiStepDecay([2, 3]),
        schedules.ExponentialDecay(0.5),
        schedules.LinearDecay(5),
        schedules.CosineDecay(5, restarts=True),
        schedules.LinearWarmup(5),
        schedules.OneCycle(5),
        schedules.ProductSchedule(schedules.StepDecay(2), schedules.LinearDecay(5)),
        schedules.ReduceOnPlateau(),
        schedules.PolynomialDecay(5),
        schedules.InverseTimeDecay(5),
        schedules.Cyclic(5, 3, mode="exp_range"),
        schedules.PiecewiseConstant([2], [1.0, 0.5]),
        schedules.SequentialSchedule(schedules.StepDecay(2), schedules.LinearDecay(5), milestones=[3]),
    ]
    made += [lamina.initializers.Normal(), lamina.initializers.Uniform(), lamina.initializers.Orthogonal()]
    made.append(lamina.initializers.Constant(1.0))
    found: dict[type, Any] = {}
    for part in made:
        for inner in part.walk() if isinstance(part, lamina.Layer) else ((" ", part),):
            found.setdefault(type(inner[1]), inner[1])
    return [part for part in found.values() if type(part).__module__.startswith("lamina.")]


def settings() -> list[Any]:
    found = []
    for part in parts():
        arguments = part.config()
        for name, value in arguments.items():
            if type(value) in WRONG and name != "monitor" and "cases" not in type(part).__module__:
                found.append(pytest.param(part, name, id=f"{type(part).__name__}-{name}"))
    return found


SETTINGS = settings()


@pytest.mark.parametrize(("part", "name"), SETTINGS)
def test_a_wrong_value_is_refused_by_name(part: Any, name: str) -> None:
    arguments = part.config()
    first = (part.parameters,) if isinstance(part, lamina.Optimizer) and "optimizer" not in arguments else ()
    for wrong in WRONG[type(arguments[name])]:
        if name == "padding" and wrong == 3:
            continue  # a padding by number
        if name == "quantiles" and isinstance(wrong, list):
            continue  # several of them
        if name == "axis" and isinstance(wrong, list) and isinstance(part, lamina.layers.LayerNorm):
            continue  # several axes, here one
        with pytest.raises(ArgumentError) as caught:
            make(type(part), first, {**arguments, name: wrong})
        message = str(caught.value)
        # Whose it is comes first; of a choice it is "unknown padding of Conv1D".
        owner = re.escape(type(part).__name__)
        assert re.match(rf"{owner}: .*\b{name}\b|unknown {name} of {owner} ", message), message
        assert repr(wrong) in message, message
        assert "\n" not in message


def make(cls: type, first: tuple[Any, ...], arguments: dict[str, Any]) -> Any:
    positional = [
        value
        for name, one in inspect.signature(cls).parameters.items()
        if one.kind is one.VAR_POSITIONAL
        for value in arguments.pop(name)
    ]
    return cls(*first, *positional, **arguments)


def test_the_settings_are_many() -> None:
    kinds = [type(part.config()[name]) for part, name in (one.values for one in SETTINGS)]
    assert kinds.count(bool) >= 25
    assert kinds.count(int) >= 25
    assert kinds.count(float) >= 40
    assert kinds.count(str) >= 8
