"""What a person sees while a model trains: a line for each epoch, with a bar until then on a terminal, or nothing."""

from __future__ import annotations

import contextlib
import math
import sys
import threading
from collections.abc import Mapping
from typing import Any

from lamina.train.history import numbers_of

__all__ = ["Bar", "Lines", "Progress", "choose_progress"]


class Progress:
    """Shows nothing, and is the base of what shows something.

    No method raises where it cannot show: a screen that is gone, or a disk that is full, is no reason to lose a
    training run.

    Attributes
    ----------
    interval : float
        How many seconds are to pass between two calls of `show`.
    """

    interval: float = math.inf

    def begin_epoch(self, epoch: int, steps: int | None) -> None:
        """Begin an epoch, counted from 1, of so many steps, or of a number that only its end will tell."""

    def show(self, step: int, values: Mapping[str, float]) -> None:
        """Show how far the epoch is, and the means so far."""

    def end_epoch(self, epoch: int, values: Mapping[str, float], rate: float) -> None:
        """Show a completed epoch's figures, and its training steps per second."""

    def note(self, text: str) -> None:
        """Say something in one line, between epochs."""

    def close(self) -> None:
        """Leave the screen in order; called however training ends."""


class Lines(Progress):
    """A short line for each epoch, on standard output.

    Parameters
    ----------
    epochs : int
        How many there are to be.
    """

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def number(self, epoch: int) -> str:
        """Return an epoch's number as it is shown, always of one width."""
        return f"{epoch:>{len(str(self.epochs))}}/{self.epochs}"

    def end_epoch(self, epoch: int, values: Mapping[str, float], rate: float) -> None:
        """Print the epoch's line."""
        figures = [f"{key} {figure(value)}" for key, value in numbers_of(values).items()]
        _print("  ".join([f"epoch {self.number(epoch)}", *figures, f"{short(rate)} steps/s"]))

    def note(self, text: str) -> None:
        """Print the line."""
        _print(text)


class Bar(Lines):
    """A bar on standard error while an epoch runs, and then the epoch's line in its place.

    Parameters
    ----------
    epochs : int
        How many there are to be.
    """

    interval = 0.25  # a few times a second: each waits for a device

    def __init__(self, epochs: int) -> None:
        from tqdm import tqdm

        class Quiet(tqdm):  # type: ignore[misc]
            monitor_interval = 0  # no thread: `show` comes often enough

            def __del__(self) -> None:
                """Leave it: `close` takes it away. This may run in any thread, where a lock must not be waited for."""

        # Its own: a Ctrl-C, or a fork, while tqdm's is taken would leave that held, and each later bar waiting.
        Quiet.set_lock(threading.RLock())
        super().__init__(epochs)
        self._make: Any = Quiet
        self._bar: Any = None

    def begin_epoch(self, epoch: int, steps: int | None) -> None:
        """Put up an empty bar."""
        with contextlib.suppress(Exception):
            self._bar = self._make(
                total=steps,
                desc=f"epoch {self.number(epoch)}",
                unit="step",
                file=sys.stderr,
                leave=False,
                mininterval=0,
                miniters=1,
                dynamic_ncols=True,
            )

    def show(self, step: int, values: Mapping[str, float]) -> None:
        """Move the bar."""
        if self._bar is None:
            return
        figures = ", ".join(f"{key} {figure(value)}" for key, value in numbers_of(values).items())
        try:
            self._bar.set_postfix_str(figures, refresh=False)
            self._bar.update(step - self._bar.n)
        except Exception:
            self.close()  # for this epoch

    def end_epoch(self, epoch: int, values: Mapping[str, float], rate: float) -> None:
        """Take the bar away and print the epoch's line."""
        self.close()
        super().end_epoch(epoch, values, rate)

    def note(self, text: str) -> None:
        """Take the bar away and print the line."""
        self.close()
        super().note(text)

    def close(self) -> None:
        """Take the bar away."""
        bar, self._bar = self._bar, None
        if bar is not None:
            with contextlib.suppress(Exception):
                bar.close()


def choose_progress(verbose: bool, epochs: int) -> Progress:
    """Return lines, with a bar where standard error is a terminal; nothing without ``verbose``."""
    if not verbose:
        return Progress()
    try:
        terminal = sys.stderr.isatty()
    except (AttributeError, ValueError, OSError):  # there is none, it is closed, or something else stands for it
        terminal = False
    return Bar(epochs) if terminal else Lines(epochs)


def _print(text: str) -> None:
    """Print a line, or nothing where standard output is closed, full, or cannot hold the text."""
    with contextlib.suppress(Exception):
        print(text, flush=True)


def figure(value: float) -> str:
    """Return a figure as it is shown: four decimals, or three digits where those would show nothing.

    Examples
    --------
    >>> figure(0.61234), figure(0.00001234)
    ('0.6123', '1.23e-05')
    """
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e5 or not math.isfinite(value) else f"{value:.2e}"


def short(rate: float) -> str:
    """Return a rate with about three digits."""
    return f"{rate:.0f}" if rate >= 100 else f"{rate:.3g}"
