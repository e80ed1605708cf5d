"""What a person sees while a model trains: a line for each epoch, or nothing.

On a terminal there is a bar until the line comes; in a notebook one bar for all epochs.
"""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Mapping
from typing import Any

from lamina.backends.bars import quiet
from lamina.files.numbers import figure
from lamina.train.history import numbers_of

__all__ = ["Bar", "Lines", "NotebookBar", "Progress", "choose_progress"]


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
        super().__init__(epochs)
        self._make = self.maker()
        self._bar: Any = None

    def maker(self) -> Any:
        """Return the class of the bar."""
        from tqdm import tqdm

        return quiet(tqdm)

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


class NotebookBar(Bar):
    """tqdm's bar for notebooks, one for all epochs, which stays, and each epoch's line below it.

    Parameters
    ----------
    epochs : int
        How many there are to be.
    """

    def maker(self) -> Any:
        """Return the class of the bar."""
        from tqdm.notebook import tqdm

        return quiet(tqdm)

    def begin_epoch(self, epoch: int, steps: int | None) -> None:
        """Put up a bar, or empty the one that is there."""
        title = f"epoch {self.number(epoch)}"
        with contextlib.suppress(Exception):
            if self._bar is None:  # a page that is kept would show each that is taken away as a broken one
                shape = {"leave": True, "mininterval": 0, "miniters": 1, "dynamic_ncols": True}
                self._bar = self._make(total=steps, desc=title, unit="step", **shape)
            else:
                self._bar.set_description_str(title, refresh=False)
                self._bar.set_postfix_str("", refresh=False)
                self._bar.reset(total=steps)

    def end_epoch(self, epoch: int, values: Mapping[str, float], rate: float) -> None:
        """Print the epoch's line."""
        Lines.end_epoch(self, epoch, values, rate)

    def note(self, text: str) -> None:
        """Print the line."""
        Lines.note(self, text)


def choose_progress(verbose: bool, epochs: int) -> Progress:
    """Return lines, with a bar in a notebook that has widgets, or on a terminal; nothing without ``verbose``."""
    if not verbose:
        return Progress()
    if _in_notebook():
        return NotebookBar(epochs) if _has_widgets() else Lines(epochs)
    try:
        terminal = sys.stderr.isatty()
    except (AttributeError, ValueError, OSError):  # there is none, it is closed, or something else stands for it
        terminal = False
    return Bar(epochs) if terminal else Lines(epochs)


def _in_notebook() -> bool:
    """Tell whether this runs in a notebook's kernel, which alone has imported what would tell."""
    try:
        return "IPKernelApp" in sys.modules["IPython"].get_ipython().config
    except Exception:  # no IPython, one on a terminal, or something that stands for it
        return False


def _has_widgets() -> bool:
    """Tell whether tqdm can make a bar for a notebook."""
    try:
        from tqdm.notebook import IProgress
    except ImportError:
        return False
    return IProgress is not None


def _print(text: str) -> None:
    """Print a line, or nothing where standard output is closed, full, or cannot hold the text."""
    with contextlib.suppress(Exception):
        print(text, flush=True)


def short(rate: float) -> str:
    """Return a rate with about three digits."""
    return f"{rate:.0f}" if rate >= 100 else f"{rate:.3g}"
