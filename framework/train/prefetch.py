"""What comes next is made on a thread, while what came before is worked on."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable
from queue import Empty, Full, Queue
from typing import Any, TypeVar

__all__ = ["ahead"]

T = TypeVar("T")

# How often a wait looks whether it is still wanted, in seconds: it is woken at once where there is something.
_GLANCE = 0.1


class _End:
    """What the thread hands over last: why it ended."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def ahead(items: Iterable[T], count: int = 1) -> Generator[T, None, None]:
    """Yield what an iterable gives, in its order, with so many items made ahead on a thread.

    The iterable is gone through on that thread alone, which ends when this iterator does, however it ends; where
    Ctrl-C ends a wait, after the item that is being made. What the iterable raises is raised here, in its place.

    Parameters
    ----------
    items : iterable
    count : int
        How many wait at most, beside the one that is being made; with 0 there is no thread.
    """
    if not count:
        yield from items
        return
    waiting: Queue[Any] = Queue(count)
    over = threading.Event()

    def offer(item: Any) -> bool:
        while not over.is_set():
            try:
                waiting.put(item, timeout=_GLANCE)
            except Full:
                continue
            return True
        return False

    def work() -> None:
        error: BaseException | None = None
        following: Any = None
        try:
            following = iter(items)
            for item in following:
                if not offer(item):
                    break
        except BaseException as raised:
            error = raised
        finally:
            close = getattr(following, "close", None)
            if close is not None and error is None and over.is_set():
                close()  # a generator's own finally blocks run here, and not whenever it is collected
        offer(_End(error))

    thread = threading.Thread(target=work, name="lamina-batches", daemon=True)
    thread.start()
    joins = True
    try:
        while True:
            try:
                item = waiting.get(timeout=_GLANCE)  # a wait without an end would keep Ctrl-C from the main thread
            except Empty:
                continue
            except KeyboardInterrupt:
                joins = False  # at once: what is being made may take as long as it likes
                raise
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        over.set()
        while joins and thread.is_alive():
            thread.join(_GLANCE)
