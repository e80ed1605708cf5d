"""The tasks of a plan, one after another."""

from __future__ import annotations

from typing import Any

from lamina.backends.numba.engine.memory import call_at, compiled, integers_at

__all__ = ["run", "run_unless"]


@compiled
def _run(table: Any, first: Any, last: Any) -> None:
    tasks = integers_at(table, 2 * last)
    for index in range(first, last):
        call_at(tasks[2 * index], tasks[2 * index + 1])


def run(table: int, first: int, last: int) -> None:
    """Call the tasks from ``first`` on; the table holds, for each, the address of a function and of its record."""
    _run(table, first, last)


def run_unless(asked: int) -> bool:
    """Call the tasks, but those from ``middle`` on only where none before set the int64 at ``stop``; tell whether.

    At ``asked`` lie table, first, middle, last and stop: a number that is handed over takes ten nanoseconds.
    """
    words = integers_at(asked, 5)
    table, first, middle, last = words[0], words[1], words[2], words[3]
    stopped = integers_at(words[4], 1)
    stopped[0] = 0
    _run(table, first, middle)
    if stopped[0] != 0:
        return False
    _run(table, middle, last)
    return True
