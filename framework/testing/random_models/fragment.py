"""A piece of a random model, and those that are written out, as no number of theirs is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = [
    "ACTIVATIONS",
    "NORMALIZATIONS",
    "OVER_ROWS",
    "Choices",
    "Fragment",
    "chained",
    "with_units",
    "wrapped",
]

ACTIVATIONS = (
    *("Tanh()", "ReLU()", "Sigmoid()", "GELU()", "GELU('tanh')", "SiLU()", "ELU()", "LeakyReLU(0.2)"),
    *("Softmax()", "LogSoftmax()", "Softplus()", "Softplus(2.0)", "Softsign()", "SELU()", "Mish()", "CELU(0.5)"),
    *("PReLU()", "PReLU(shared=True)", "ReLU6()", "HardSigmoid()", "HardSigmoid(0.4, 0.3)", "HardSwish()"),
    *("Rescaling(-1.0, 1.0)", "Sequential(Tanh(), Power(2))", "Lambda('rational')"),
)
NORMALIZATIONS = (
    *("LayerNorm()", "LayerNorm(use_shift=False)", "LayerNorm(use_scale=False)", "LayerNorm(epsilon=0.1)"),
    *("RMSNorm()", "RMSNorm(epsilon=0.1)", "RMSNorm(use_scale=False)", "Standardize()"),
)
# These take all steps of a row together.
OVER_ROWS = (
    *("GroupNorm(1)", "GroupNorm(1, epsilon=0.1, use_shift=False)", "Softmax(axis=1)", "LogSoftmax(axis=1)"),
    *(
        "LayerNorm(axis=(1, 2), use_scale=False, use_shift=False)",
        "LayerNorm(axis=1, use_scale=False, use_shift=False)",
    ),
)


class Choices(Protocol):
    """Where a random model's choices come from; the first is the simplest."""

    def pick(self, options: Sequence[Any]) -> Any:
        """Return one of some options."""

    def number(self, least: int, most: int) -> int:
        """Return a whole number between two, both included."""

    def one_in(self, count: int) -> bool:
        """Return True once in so many times."""


@dataclass(frozen=True)
class Fragment:
    """An expression of a layer, and what is known of it.

    Attributes
    ----------
    code : str
    features : int
        Of its output.
    flags : frozenset of str
        ``"whole"``: it needs a whole sequence, and cannot stream; ``"decoder"``: it can, with an input given whole;
        ``"statistics"``: forward moves what it keeps.
    """

    code: str
    features: int
    flags: frozenset[str] = frozenset()


def wrapped(name: str, inner: Fragment) -> Fragment:
    """Return a container around one fragment."""
    return Fragment(f"{name}({inner.code})", inner.features, inner.flags)


def chained(name: str, first: Fragment, second: Fragment) -> Fragment:
    """Return a container of two fragments, the second of which gives the output."""
    return Fragment(f"{name}({first.code}, {second.code})", second.features, first.flags | second.flags)


def with_units(found: Fragment, units: int | None) -> Fragment:
    """Return a fragment that gives so many units, if they are given."""
    if units is None or found.features == units:
        return found
    return Fragment(f"Sequential({found.code}, Dense({units}))", units, found.flags)
