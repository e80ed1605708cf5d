"""Checkpoints of a run on several ranks: rank 0 reads and writes them, all ranks at the same moments."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from lamina.core.layer import Layer
from lamina.train.callback import Training
from lamina.train.place import Place
from lamina.train.ranks import Ranks
from lamina.train.saved import Saved
from lamina.train.saver import Saver

__all__ = ["SharedSaver", "opened", "saver_for"]


class SharedSaver(Saver):
    """A saver of which rank 0 has the folder.

    Parameters
    ----------
    folder, every, keep : as for `Saver`
    ranks : Ranks
    """

    def __init__(self, folder: Any, every: Any, keep: Any, ranks: Ranks) -> None:
        super().__init__(folder, every, keep)
        self._ranks = ranks
        self.rank = ranks.share.rank
        #: Whether rank 0 has said that it is time.
        self.is_time = False

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Have the folder alone while the block runs, on rank 0."""
        if not self._ranks.leads:
            yield
            return
        with super().opened():
            yield

    def read(self, model: Layer, settings: dict[str, Any], training: Training) -> None:
        """Read on rank 0, for all."""
        if self._ranks.leads:
            super().read(model, settings, training)
        self._settings = settings
        self._found, self._keeps_best = self._ranks.first((self._found, self._keeps_best), model.backend)

    def wants_time(self) -> bool:
        """Tell whether it is time for a checkpoint: rank 0's clock says so."""
        return self._ranks.leads and self._every.unit == "second" and super()._is_due()

    def _is_due(self, steps: int = 0, epochs: int = 0) -> bool:
        """Tell whether a checkpoint is due: as rank 0's clock said with a step's gradients, or says after an epoch."""
        due = super()._is_due(steps, epochs)
        if epochs:
            return bool(self._ranks.first(due))
        is_time, self.is_time = self.is_time, False
        return is_time if self._every.unit == "second" else due

    def write(self, run: Saved, place: Place, finished: bool = False) -> None:
        """Write a checkpoint, on rank 0."""
        if self._ranks.leads:
            super().write(run, place, finished)
        self._last, self._written_at = (self._steps_before, place.epoch, place.steps), time.monotonic()

    def _save_best(self, model: Layer) -> None:
        if self._ranks.leads:
            super()._save_best(model)


def saver_for(checkpoint: Any, every: Any, keep: Any, ranks: Ranks | None) -> Saver | None:
    """Return what keeps a run; None where it is not to be kept."""
    if checkpoint is None:
        return None
    return Saver(checkpoint, every, keep) if ranks is None else SharedSaver(checkpoint, every, keep, ranks)


def opened(ranks: Ranks | None, saver: Saver | None) -> AbstractContextManager[None]:
    """Return a context in which a run is kept by its saver, if it has one, and done by all ranks, if there are any."""
    kept: AbstractContextManager[None] = nullcontext() if saver is None else saver.opened()
    return kept if ranks is None else _together(ranks, kept)


@contextmanager
def _together(ranks: Ranks, kept: AbstractContextManager[None]) -> Iterator[None]:
    with ranks.together(), kept:
        yield
