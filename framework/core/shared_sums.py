"""How a layer adds up what all ranks have, where its model is trained on several: see `lamina.distributed`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeAlias

from lamina.backends import Array

__all__ = ["SumOverRanks", "shared_sums", "sum_over_ranks"]

#: Takes an array of the layer's backend, and returns the sum of those of all ranks.
SumOverRanks: TypeAlias = Callable[[Array], Array]

_sum: ContextVar[SumOverRanks | None] = ContextVar("lamina_sum_over_ranks", default=None)


def sum_over_ranks() -> SumOverRanks | None:
    """Return what adds up arrays over the ranks; None where there is one alone.

    All ranks call it in the same order: a layer that does so in ``forward`` does on each, also where it has no rows.
    """
    return _sum.get()


@contextmanager
def shared_sums(function: SumOverRanks | None) -> Iterator[None]:
    """Within it, and in this thread, `sum_over_ranks` returns a function."""
    token = _sum.set(function)
    try:
        yield
    finally:
        _sum.reset(token)
