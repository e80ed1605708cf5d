"""The way of the data: how many frames lie between `Trainer.fit` and a kernel, and how many calls a `fit` makes.

    python -m benchmarks calls

A fit of one batch of (2, 3, 2, 4), SimpleRNN and Dense, AdaGrad, no metric: the second one of a trainer, so that
nothing is made or looked up for the first time.
"""

from __future__ import annotations

import gc
import sys
from collections import Counter
from collections.abc import Callable
from types import FrameType
from typing import Any

import numpy as np

import lamina
from lamina.layers import Dense, SimpleRNN

__all__ = ["LIMIT", "count", "main", "second_fit"]

#: How many calls the fit may make; a test holds it.
LIMIT = 420
_SHOWN = 12


def second_fit() -> Callable[[], object]:
    """Return the fit that is counted."""
    x, y = np.zeros((2, 3, 2), np.float32), np.array([0, 1])
    model = lamina.Sequential(SimpleRNN(4), Dense(3))
    model.build((None, None, 2), seed=0)
    trainer = lamina.Trainer(model, "softmax_cross_entropy", "adagrad")

    def fit() -> object:
        return trainer.fit(x, y, epochs=1, batch_size=2, verbose=False)

    fit()
    return fit


def count(call: Callable[[], object], kernel: str) -> tuple[Counter[str], list[str]]:
    """Return the calls of Python functions by name, and the frames from `call`, left out, down to a kernel.

    Parameters
    ----------
    call : callable
    kernel : str
        The name of the kernel's function.
    """
    calls: Counter[str] = Counter()
    way: list[str] = []

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event != "call":
            return
        calls[frame.f_code.co_qualname] += 1
        if frame.f_code.co_name == kernel and not way:
            at: FrameType | None = frame
            while at is not None and at.f_code is not outermost:
                way.append(at.f_code.co_qualname)
                at = at.f_back

    outermost = call.__code__  # type: ignore[attr-defined]
    before, collects = sys.getprofile(), gc.isenabled()
    gc.collect()
    gc.disable()  # what garbage of others does when it goes is not the call's
    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(before)
        if collects:
            gc.enable()
    calls.pop(outermost.co_qualname, None)
    return calls, way[::-1]


def main() -> None:
    """Count, and print."""
    calls, way = count(second_fit(), "simple_rnn_forward")
    print(f"{len(way)} frames from fit to the kernel: {', '.join(way)}")
    print(f"{calls.total()} calls of Python functions, of {LIMIT} at most; the most frequent:")
    for name, number in calls.most_common(_SHOWN):
        print(f"  {number:4d}  {name}")
