"""The tasks of a plan, one after another."""

from __future__ import annotations

from lamina.backends.numba.engine.memory import call_at, integers_at

__all__ = ["run"]


def run(table: int, first: int, last: int) -> None:
    """Call the tasks from ``first`` on; the table holds, for each, the address of a function and of its record."""
    tasks = integers_at(table, 2 * last)
    for index in range(first, last):
        call_at(tasks[2 * index], tasks[2 * index + 1])
