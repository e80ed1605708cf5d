"""Callbacks around training: told when it begins, and when it ends, however it ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from lamina.train.callback import Callback, Training
from lamina.train.interruption import Interruption

__all__ = ["attended"]


@contextmanager
def attended(callbacks: Sequence[Callback], training: Training, interruption: Interruption) -> Iterator[None]:
    """Tell callbacks that training begins, and at the end of the block each of those told that it ends.

    Each is told of the end also where training ends by an error, and where another callback raises. What is raised
    is the first error of all; later ones are its notes.

    Parameters
    ----------
    callbacks : sequence of Callback
    training : Training
        Its history notes whether it was Ctrl-C.
    interruption : Interruption
        Entered. Ctrl-C waits until all callbacks are done: they may be putting weights back.
    """
    begun: list[Callback] = []
    try:
        for callback in callbacks:
            callback.on_train_begin(training)
            begun.append(callback)
        yield
    except BaseException as error:
        training.history.interrupted |= isinstance(error, KeyboardInterrupt)
        _end(begun, training, interruption, error)
        raise
    failed = _end(begun, training, interruption)
    if failed is not None:
        training.history.interrupted |= isinstance(failed, KeyboardInterrupt)
        raise failed


def _end(
    callbacks: Sequence[Callback], training: Training, interruption: Interruption, first: BaseException | None = None
) -> BaseException | None:
    """Tell each callback of the end; return the first error, with those that came later as its notes."""
    raised: list[tuple[str, BaseException]] = []
    try:
        with interruption.held():
            for callback in callbacks:
                try:
                    callback.on_train_end(training)
                except BaseException as error:
                    raised.append((f"{type(callback).__name__}.on_train_end", error))
    except KeyboardInterrupt as error:  # the one that waited
        raised.append(("Ctrl-C", error))
    for who, one in raised:
        if first is None:
            first = one
        else:
            first.add_note(f"{who} raised {type(one).__name__} too: {one}")
    return first
