"""What a device would be asked for: launches, copies, sets and waits, each with the line that causes it."""

import sys
import threading
from collections import Counter
from pathlib import Path

import lamina

__all__ = ["Ledger", "ledger"]

# The product's files: installed, linked, or in the repository beside these tests.
_ROOT = Path(__file__).resolve().parents[2]
_FOLDERS = ("framework", "layers", "optimizers", "backends")
_PREFIXES = (*(f"{_ROOT}/{folder}/" for folder in _FOLDERS), f"{Path(lamina.__file__).parent}/")

# What others ask for arrays, and to bring them: it is they whose line tells something.
_PRIMITIVES = (
    "backends/arrays.py",
    "backends/cupy/backend.py",
    "backends/cupy/clipping.py",
    "backends/cupy/constants.py",
    "framework/core/finite.py",
)

KINDS = ("launch", "set", "copy", "upload", "download", "wait")


class Ledger:
    """Counts by kind, by what is done and, where ``traced``, by the line that asks: of the product, else of a test.

    Attributes
    ----------
    traced : bool
        Looking for the lines takes as long as all else.
    counts : Counter of (kind, what, line)
        Of the kinds ``launch``, ``set`` and ``copy``, which are work in the device's queue; ``upload`` and ``download``
        over the bus; and ``wait``, in which the host stands still.
    sizes : Counter of (kind, line)
        Bytes over the bus.
    """

    def __init__(self):
        self.counts, self.sizes, self.traced = Counter(), Counter(), False
        self._lock = threading.Lock()

    def note(self, kind, what, times=1, size=0):
        """Count something."""
        line = _line() if self.traced else ""
        with self._lock:
            self.counts[kind, what, line] += times
            if size:
                self.sizes[kind, line] += size

    def clear(self):
        """Forget everything."""
        self.counts.clear()
        self.sizes.clear()

    def totals(self):
        """Return how many of each kind."""
        found = dict.fromkeys(KINDS, 0)
        for (kind, _, _), times in self.counts.items():
            found[kind] += times
        return found

    def lines(self, kind):
        """Return what caused a kind, the most frequent first: ``(times, line, what)``."""
        return sorted(
            ((times, line, what) for (own, what, line), times in self.counts.items() if own == kind), reverse=True
        )


def _line():
    """Return the nearest line of the product on the stack; one of those that only pass on, if there is no other."""
    frame, nearest, passing = sys._getframe(2), None, None
    while frame is not None:
        name = frame.f_code.co_filename
        prefix = next((one for one in _PREFIXES if name.startswith(one)), None)
        if prefix is not None:
            line = f"{Path(prefix).name}/{name.removeprefix(prefix)}:{frame.f_lineno}"
            if not name.endswith(_PRIMITIVES):
                return line
            passing = passing or line
        elif nearest is None and ("/stand_in/" not in name or "/stand_in/test_" in name):
            nearest = f"{Path(name).name}:{frame.f_lineno}"
        frame = frame.f_back
    return passing or nearest or "?"


ledger = Ledger()
