"""Whatever a layer or an initializer is given as an argument: it is taken, or refused with an error of Lamina's.

Every argument of every class in the registries gets every hostile value, in Python and from a file. What is taken is
also built, as a file's model is: shapes alone, without memory.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.backends import get_backend
from lamina.core.bounds import Budget
from lamina.core.build import build_without_draws
from lamina.core.config import arguments_of, make, rebuild
from lamina.core.initializers import Initializer
from lamina.core.layer import Layer
from lamina.core.record import Binding
from lamina.errors import CheckpointError, LaminaError
from lamina.layers import LSTM, Dense, Lambda, LSTMCell, Split, Tanh
from lamina.testing.cases import LayerCase, layer_cases
from lamina.testing.fuzz.model_files import HOSTILE

# Beside those that JSON can hold.
OBJECTS: tuple[Any, ...] = (
    *(10**5000, 1j, b"x", object(), (1, 2), {1}, Dense, Dense(2), Tanh(), Split(2), LSTM(2), LSTMCell(2)),
    *(LSTM(2, return_sequences=True, return_state=True), lamina.Recurrent(LSTMCell(2)), lamina.Sequential(Tanh())),
    *([Dense(2), Tanh()], [Split(2), Dense(1)], lamina.initializers.Zeros(), lamina.initializers.Side(["zeros"])),
    *([Dense], [LSTMCell(2), None], lamina.optimizers.SGD),
)
BINDING = Binding(get_backend("numpy"), "float32")


class Enough(LaminaError):
    """All shapes are known."""


def stop() -> None:
    raise Enough


def is_own(cls: type) -> bool:
    return cls.__module__.startswith(("lamina.layers.", "lamina.compose.", "lamina.kinds."))


def cases() -> dict[type, LayerCase]:
    found: dict[type, LayerCase] = {}
    for case in layer_cases():
        cls = type(case.make())
        if is_own(cls):
            found.setdefault(cls, case)
    return found


CASES = cases()


def values() -> Iterator[Any]:
    yield from HOSTILE
    yield from OBJECTS


def fresh(value: Any) -> Any:
    """Return a layer that was not built before, or anything else as it is."""
    if isinstance(value, list):
        return [fresh(one) for one in value]
    return make(type(value), value.config()) if isinstance(value, Layer) else value


@pytest.mark.parametrize("cls", CASES, ids=lambda cls: cls.__name__)
def test_a_layer_takes_it_or_refuses_it(cls: type) -> None:
    case = CASES[cls]
    shapes = [one if isinstance(one, tuple) else one.shape for one in case.inputs]
    made = case.make()
    names = [name for name in arguments_of(cls) if cls is not Lambda or name == "function"]
    for name in names:
        for value in values():
            try:
                arguments = {key: fresh(own) for key, own in made.config().items()}
                layer = make(cls, {**arguments, name: fresh(value)})
                build_without_draws(layer, lambda layer=layer: layer.build(*shapes), BINDING, Budget(), stop)
            except LaminaError as error:
                assert "\n" not in str(error) and len(str(error)) < 2000
            except TypeError as error:  # Python's own, of ``*value``
                assert "must be an iterable" in str(error) and name in ("layers", "branches", "cells")


@pytest.mark.parametrize("cls", CASES, ids=lambda cls: cls.__name__)
def test_built_for_what_is_no_shape_or_another_it_refuses(cls: type) -> None:
    wrong: list[list[Any]] = [[(None, 3)] * count for count in range(6)]
    wrong += [[value] for value in values()] + [[(None, *[2] * rank)] for rank in range(40)]
    wrong += [[(None, value, 3)] for value in values()] + [[(None, 3, value)] for value in values()]
    for shapes in wrong:
        layer = CASES[cls].make()
        try:
            build_without_draws(layer, lambda layer=layer, own=shapes: layer.build(*own), BINDING, Budget(), stop)
        except LaminaError as error:
            assert "\n" not in str(error)


INITIALIZERS = [Initializer.registry.find(name) for name in Initializer.registry.names()]


@pytest.mark.parametrize("cls", INITIALIZERS, ids=lambda cls: cls.__name__)
def test_an_initializer_takes_it_or_refuses_it(cls: type) -> None:
    needed = {"value": 1.0, "blocks": ["zeros", "ones"]}
    for name in arguments_of(cls):
        for value in values():
            others = {key: needed[key] for key in arguments_of(cls) if key in needed}
            try:
                initializer = make(cls, {**others, name: value})
                if isinstance(value, list) and len(value) > 100:
                    continue
                drawn = initializer((2, 6), np.random.default_rng(0))
                assert drawn.shape == (2, 6)
            except LaminaError as error:
                assert "\n" not in str(error)


def test_from_a_file_it_is_refused_as_that_files_fault() -> None:
    registries: dict[str, Any] = {"layer": Layer.registry, "initializer": Initializer.registry}
    refused = 0
    for cls in CASES:
        name = Layer.registry.name_of(cls)
        for argument in arguments_of(cls) if name is not None else ():
            for value in HOSTILE:
                if isinstance(value, int) and abs(value) > 10**300:
                    continue
                config = {argument: value}
                try:
                    rebuild({"layer": name, "config": config}, registries)
                except CheckpointError:
                    refused += 1
                except LaminaError as error:
                    assert str(error).startswith("unknown ")
    assert refused > 1000


def test_every_class_is_asked() -> None:
    every = map(Layer.registry.find, Layer.registry.names())
    assert {cls for cls in every if is_own(cls) and cls is not lamina.Composite} <= set(CASES)
