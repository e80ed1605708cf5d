"""What random models do with operators and slices, as a user's ``compose`` says it; and a function with a name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lamina.backends import Array
from lamina.layers import Lambda

__all__ = ["OPERATORS", "Operator", "features_after"]


@dataclass(frozen=True)
class Operator:
    """An expression of one value a, of two alike, a and b, or of a sequence a and a vector v of as many features.

    Attributes
    ----------
    run : callable
    takes : str
        ``"a"``, ``"ab"`` or ``"av"``.
    time : str
        What becomes of the time axis: ``"same"``, ``"gone"``, or ``"other"`` steps.
    whole : bool
        Whether it needs a whole sequence, and cannot stream.
    """

    run: Callable[..., Any]
    takes: str = "a"
    time: str = "same"
    whole: bool = False


#: By how they are written. The first are the simplest.
OPERATORS: dict[str, Operator] = {
    "1 - a": Operator(lambda a: 1 - a),
    "2 * a": Operator(lambda a: 2 * a),
    "-a / 3": Operator(lambda a: -a / 3),
    "a[..., :1]": Operator(lambda a: a[..., :1]),
    "a * a[..., -1:]": Operator(lambda a: a * a[..., -1:]),
    "a[..., ::-1]": Operator(lambda a: a[..., ::-1]),
    "1 / (1 + a ** 2)": Operator(lambda a: 1 / (1 + a**2)),
    "a - b": Operator(lambda a, b: a - b, "ab"),
    "a + b": Operator(lambda a, b: a + b, "ab"),
    "a * b": Operator(lambda a, b: a * b, "ab"),
    "a / (2 + b * b)": Operator(lambda a, b: a / (2 + b * b), "ab"),
    "a * v": Operator(lambda a, v: a * v, "av", whole=True),
    "v - a": Operator(lambda a, v: v - a, "av", whole=True),
    "a[:, -1]": Operator(lambda a: a[:, -1], time="gone"),
    "a[:, 0]": Operator(lambda a: a[:, 0], time="gone"),
    "a[:, -2]": Operator(lambda a: a[:, -2], time="gone", whole=True),
    "a[:, ::-1]": Operator(lambda a: a[:, ::-1], whole=True),
    "a[:, 1:]": Operator(lambda a: a[:, 1:], time="other", whole=True),
    "a[:, :-1]": Operator(lambda a: a[:, :-1], time="other", whole=True),
    "a[:, -2:]": Operator(lambda a: a[:, -2:], time="other", whole=True),
    "a[:, ::2]": Operator(lambda a: a[:, ::2], time="other", whole=True),
}


def features_after(text: str, features: int) -> int:
    """Return how many features an expression gives of a value with so many."""
    return 1 if text == "a[..., :1]" else features


def _rational(x: Array) -> Array:
    return x / (1 + x * x)


def _slope(x: Array) -> Array:
    return (1 - x * x) / (1 + x * x) ** 2


Lambda.register("rational", _rational, derivative=_slope)
