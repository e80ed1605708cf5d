"""Streams, events and pinned memory: what is copied beside the computing comes as late as a device may let it come.

The current stream computes at once. A copy on another stream takes place only when somebody waits for it: on the host,
or by an event on the current stream. Until then its target holds what memory holds that was never set, and what is
written meanwhile into the pinned memory is what will be copied. So a wait that is missing gives wrong values.

What computes at once cannot be overtaken. A copy that could overtake what still reads the memory it writes, as it waits
for no event after that memory was given back, is an error here.
"""

import threading
import weakref

import numpy as np

from tests.stand_in.counting import ledger

__all__ = [
    "Event",
    "HazardError",
    "PinnedMemoryPointer",
    "Stream",
    "alloc_pinned_memory",
    "clock",
    "get_current_stream",
]


class HazardError(AssertionError):
    """Two streams use the same memory in no order."""


class _Clock:
    """Counts what is asked of the device, to tell what came before what."""

    def __init__(self):
        self.now = 0

    def tick(self):
        self.now += 1
        return self.now


clock = _Clock()
_current = threading.local()


def get_current_stream(device_id=-1):
    return getattr(_current, "stream", None) or Stream.null


class Stream:
    """Stands for ``cupy.cuda.Stream``."""

    def __init__(self, null=False, non_blocking=False, ptds=False, priority=None):
        if ptds or not (null or non_blocking):
            raise NotImplementedError("the stand-in has the null stream, and those that do not block it")
        self.null_stream, self.ptr = null, 0 if null else id(self)
        self._waiting, self._begun, self._done = [], 0, 0
        self._seen = 0  # up to when what was computed comes before what is copied next
        self._given_back = 0  # when memory of this stream was last given back
        self._outer = []

    # What other streams' copies have to wait for.

    def own(self, array):
        """Note that an array's memory is this stream's, to be used by its next array once it is given back."""
        weakref.finalize(array, self._note_given_back)

    def _note_given_back(self):
        self._given_back = clock.tick()

    def copy(self, copies, born, owner):
        """Copy later, or at once on the null stream."""
        if self.null_stream:
            copies()
            return
        needed = self._given_back if owner is self else born
        if self._seen < needed:
            raise HazardError("a copy may overtake what still uses its memory: let its stream wait for an event first")
        self._waiting.append(copies)
        self._begun += 1

    def land(self, until):
        """Do what was asked for, up to a number."""
        while self._done < until:
            self._waiting.pop(0)()
            self._done += 1

    # What CuPy has.

    def __enter__(self):
        self._outer.append(get_current_stream())
        _current.stream = self
        return self

    def __exit__(self, *_):
        _current.stream = self._outer.pop()

    def record(self, event=None):
        event = Event() if event is None else event
        event.record(self)
        return event

    def wait_event(self, event):
        stream, place, moment = event._recorded
        if self.null_stream:
            stream.land(place)
        elif stream.null_stream:
            self._seen = max(self._seen, moment)
        elif stream is not self:
            self._waiting.append(lambda: stream.land(place))
            self._begun += 1

    def synchronize(self):
        ledger.note("wait", "stream")
        self.land(self._begun)

    @property
    def done(self):
        return self._done == self._begun


Stream.null = Stream(null=True)


class Event:
    """Stands for ``cupy.cuda.Event``."""

    def __init__(self, block=False, disable_timing=False, interprocess=False):
        self._recorded = Stream.null, 0, 0

    def record(self, stream=None):
        stream = Stream.null if stream is None else stream
        self._recorded = stream, stream._begun, clock.tick()

    def synchronize(self):
        if not self.done:
            ledger.note("wait", "event")
        stream, place, _ = self._recorded
        stream.land(place)

    @property
    def done(self):
        stream, place, _ = self._recorded
        return stream._done >= place


class PinnedMemoryPointer(bytearray):
    """Stands for ``cupy.cuda.PinnedMemoryPointer``: memory of the host that a copy reads when it comes to it."""

    def size(self):
        return len(self)


def alloc_pinned_memory(size):
    return PinnedMemoryPointer(b"\xff" * size)


def is_pinned(host):
    """Tell whether an array of the host lies in pinned memory."""
    while isinstance(host, np.ndarray):
        host = host.base
    return isinstance(getattr(host, "obj", host), PinnedMemoryPointer)
