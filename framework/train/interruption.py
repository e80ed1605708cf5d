"""Ctrl-C while a model trains: the first lets the running step finish, the second stops at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

__all__ = ["Interruption", "SharedInterruption"]


class Interruption:
    """A context in which the first Ctrl-C sets ``requested`` and the second raises KeyboardInterrupt.

    It changes nothing outside the main thread, or where the program has a handler of its own for SIGINT. A program
    that sets Python's handler of Ctrl-C for SIGTERM too, as the command line does, has that taken alike.

    Parameters
    ----------
    terminates : bool
        Whether SIGTERM is taken so too where nothing else handles it.
    """

    def __init__(self, terminates: bool = False) -> None:
        self.requested = False
        self._terminates = terminates
        self._previous: dict[signal.Signals, Any] = {}
        self._holding = self._waiting = False

    def __enter__(self) -> Interruption:
        in_main = threading.current_thread() is threading.main_thread()
        for number in (signal.SIGINT, signal.SIGTERM):
            taken = signal.getsignal(number) if in_main else None
            unhandled = self._terminates and number == signal.SIGTERM and taken is signal.SIG_DFL
            if taken is signal.default_int_handler or unhandled:
                self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._previous:
            signal.signal(*self._previous.popitem())

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let one Ctrl-C wait for the end of a block, whose work should not be cut in two; only another one does."""
        self._holding, self._waiting = True, False
        try:
            yield
        finally:
            self._holding = False
        if self._waiting:
            self._press()

    def _handle(self, number: int, frame: Any) -> None:
        if self._holding and not self._waiting:
            self._waiting = True
        else:
            self._press()

    def _press(self) -> None:
        if self.requested or self._holding:
            raise KeyboardInterrupt
        self.requested = True


class SharedInterruption(Interruption):
    """That of one of several ranks: what is pressed here is ``requested`` once all have been told, between two steps.

    Attributes
    ----------
    pressed : bool
    """

    def __init__(self, terminates: bool = False) -> None:
        super().__init__(terminates)
        self.pressed = False

    def _press(self) -> None:
        if self.pressed or self._holding:
            raise KeyboardInterrupt
        self.pressed = True
