"""The precisions of a backend, where it has them."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from lamina.backends import Backend

__all__ = ["AGREEMENT", "NAMES", "TOLERANCES", "NotThere", "in_precision"]

NAMES = ("fp32", "tf32", "bf16")

#: By how much of an array's largest element small passes may differ from those in float64.
TOLERANCES = {"fp32": 1e-4, "tf32": 2e-2, "bf16": 1e-1}
#: By how much two that round in their own ways may differ, over a thousand steps.
AGREEMENT = {"fp32": 1e-3, "tf32": 5e-2, "bf16": 2e-1}


class NotThere(Exception):
    """Something that is to be measured does not exist, here or yet: no failure."""


def in_precision(backend: Backend, name: str) -> AbstractContextManager[Any]:
    """Return the context in which a backend computes in a precision, "fp32" being what one without any computes in.

    Raises
    ------
    NotThere
        If it has no such precision.
    """
    of: Any = backend
    if name in getattr(of, "precisions", ()):
        context: AbstractContextManager[Any] = of.in_precision(name)
        return context
    if name == "fp32":
        return nullcontext()
    raise NotThere(f"not there: backend {backend.name!r} has no precision {name!r}")
