"""How the functions of a layer or loss are called: what they take, and what runs around them in this thread."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from typing import Any

from lamina.core.inputs import split_lengths
from lamina.core.signatures import Kind, parameters_of
from lamina.core.tree import Tree
from lamina.errors import ShapeError

__all__ = [
    "Arguments",
    "definer",
    "enters",
    "extends",
    "inference",
    "input_names",
    "running",
    "takes",
    "within",
]


class Running(threading.local):
    """What runs in this thread.

    Attributes
    ----------
    forward, backward : set of int
        The parts, by their ids, whose forward or backward runs, of classes that extend another's. A call of one that is
        among them comes from its own class, by ``super()``: what it gives is a part of that call's.
    infer : set of int
        The layers whose own `infer` runs: should it call their forward, that is what it wants.
    inferring : int
        How many calls outside of training; in them, a layer's forward gives what its `infer` does.
    ragged : int
        How many calls with lengths; the outermost one zeroes what lies past the ends.
    streaming : bool
        Whether a stream runs, the outermost of which checks what it is given.
    """

    def __init__(self) -> None:
        self.forward: set[int] = set()
        self.backward: set[int] = set()
        self.infer: set[int] = set()
        self.inferring = 0
        self.ragged = 0
        self.streaming = False


running = Running()


def enters(calls: set[int], part: object) -> bool:
    """Note that a part's function runs; return whether it did not yet: if it did, this call comes by ``super()``."""
    outer = id(part) not in calls
    calls.add(id(part))
    return outer


class _Inference:
    """A context in which layers behave as outside of training, those within a layer of one's own included."""

    def __enter__(self) -> None:
        running.inferring += 1

    def __exit__(self, *_: object) -> None:
        running.inferring -= 1


inference = _Inference()


class _Within:
    """A context in which calls are as those within a model: what lies past the ends is left to the layer itself."""

    def __enter__(self) -> None:
        running.ragged += 1

    def __exit__(self, *_: object) -> None:
        running.ragged -= 1


within = _Within()


def extends(cls: type, method: str, base: type) -> bool:
    """Tell whether several classes define a method, the base left out: one may then call another's by ``super()``."""
    return sum(method in vars(one) for one in cls.__mro__ if one is not base and issubclass(one, base)) > 1


def definer(cls: type, method: str, default: Any = None) -> type:
    """Return the class, of one and its bases, that defines a method; one that took up the default again does not."""
    found = [base for base in cls.__mro__ if method in vars(base)]
    return next((base for base in found if vars(base)[method] is not default), found[-1])


def takes(function: Callable[..., Any], name: str, *, anything: bool = True) -> bool:
    """Tell whether a function has a parameter of that name, also behind a decorator that takes whatever comes.

    Parameters
    ----------
    function : callable
    name : str
    anything : bool
        What to tell of one that takes whatever comes itself, with nothing behind it.
    """
    parameters = parameters_of(function)
    if any(one.name == name for one in parameters):
        return True
    if not any(one.kind is Kind.VAR_KEYWORD for one in parameters):
        return False
    decorated = [one for one in _closed_over(function) if inspect.isfunction(one)]
    return any(takes(one, name, anything=anything) for one in decorated) if decorated else anything


def _closed_over(function: Any) -> list[Any]:
    """Return what a function's closure holds; a name still to be assigned, such as its class's, holds nothing."""
    found = []
    for cell in getattr(function, "__closure__", None) or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:
            continue
    return found


def input_names(forward: Callable[..., Any]) -> tuple[str, ...]:
    """Return the names of a forward's inputs; none of those it takes as ``*inputs``."""
    own = parameters_of(forward)[1:]
    return tuple(one.name for one in own if one.kind is Kind.POSITIONAL_OR_KEYWORD and one.name != "lengths")


class Arguments:
    """How a layer's forward, or infer, takes its inputs and lengths."""

    def __init__(self, function: Callable[..., Any]) -> None:
        parameters = parameters_of(function)
        self.names = input_names(function)
        self.takes_lengths = takes(function, "lengths")  # of one that does not, they are dropped
        self.needs_lengths = any(one.name == "lengths" and one.default is not None for one in parameters)
        several = any(one.kind is Kind.VAR_POSITIONAL for one in parameters)
        self.most = None if several else len(self.names)

    def further(self, layer: Tree, inputs: tuple[Any, ...], lengths: Any) -> tuple[tuple[Any, ...], Any]:
        """Return the inputs without lengths that came by position behind them, and those; or raise."""
        inputs, lengths = split_lengths(layer, inputs, lengths)
        if len(inputs) == (self.most or -1) + 1 and inputs[-1] is None:
            inputs = inputs[:-1]  # no lengths, by position
        if self.most is not None and len(inputs) > self.most:
            raise ShapeError(f"{layer.label}: expected {self.most} inputs at most, got {len(inputs)}")
        return inputs, lengths
