"""What a person sees while a model trains: a bar on a terminal, a line for each epoch elsewhere, or nothing."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Any

__all__ = ["Bar", "Lines", "Progress", "choose_progress"]


class Progress:
    """Shows nothing, and is the base of what shows something.

    Attributes
    ----------
    interval : float
        How many seconds are to pass between two calls of `show`.
    """

    interval: float = math.inf

    def begin_epoch(self, epoch: int, steps: int) -> None:
        """Begin an epoch, counted from 1, of so many steps."""

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

    def end_epoch(self, epoch: int, values: Mapping[str, float], rate: float) -> None:
        """Print the epoch's line."""
        number = f"{epoch:>{len(str(self.epochs))}}/{self.epochs}"
        figures = [f"{key} {figure(value)}" for key, value in values.items()]
        print("  ".join([f"epoch {number}", *figures, f"{short(rate)} steps/s"]), flush=True)

    def note(self, text: str) -> None:
        """Print the line."""
        print(text, flush=True)


class Bar(Progress):
    """A bar for each epoch, on standard error, with the means so far and the steps per second.

    Parameters
    ----------
    epochs : int
        How many there are to be.
    """

    interval = 0.1

    def __init__(self, epochs: int) -> None:
        from tqdm import tqdm

        class Quiet(tqdm):  # type: ignore[misc]
            monitor_interval = 0  # no thread: `show` comes often enough

        self.epochs = epochs
        self._make: Any = Quiet
        self._bar: Any = None

    def begin_epoch(self, epoch: int, steps: int) -> None:
        """Put up an empty bar."""
        number = f"{epoch:>{len(str(self.epochs))}}/{self.epochs}"
        self._bar = self._make(
            total=steps,
            desc=f"epoch {number}",
            unit="step",
            file=sys.stderr,
            mininterval=0,
            miniters=1,
            dynamic_ncols=True,
        )

    def show(self, step: int, values: Mapping[str, float]) -> None:
        """Move the bar."""
        self._bar.set_postfix_str(_figures(values), refresh=False)
        self._bar.update(step - self._bar.n)

    def end_epoch(self, epoch: int, values: Mapping[str, float], rate: float) -> None:
        """Fill the bar and leave it with the epoch's figures."""
        self._bar.set_postfix_str(_figures(values), refresh=False)
        self._bar.update(self._bar.total - self._bar.n)
        self.close()

    def note(self, text: str) -> None:
        """Write the line below the bar."""
        self.close()
        print(text, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def choose_progress(verbose: bool, epochs: int) -> Progress:
    """Return a bar where standard error is a terminal, lines where it is not, nothing without ``verbose``."""
    if not verbose:
        return Progress()
    return Bar(epochs) if sys.stderr is not None and sys.stderr.isatty() else Lines(epochs)


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


def _figures(values: Mapping[str, float]) -> str:
    return ", ".join(f"{key} {figure(value)}" for key, value in values.items())
