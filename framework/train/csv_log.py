"""A callback that writes the figures of each epoch to a file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lamina.core.arguments import flag
from lamina.errors import CheckpointError
from lamina.files import require_writable, write_file
from lamina.train.callback import Callback, Training
from lamina.train.history import csv_table, numbers_of

__all__ = ["CSVLog"]


class CSVLog(Callback):
    """Write the figures of each epoch to a file: whole, at every moment.

    Parameters
    ----------
    path : str or Path
        What an earlier run of the program left there is replaced once an epoch ends. Its folder is made where there
        is none.
    resume : bool
        Whether a second `fit` goes on below the first, with epochs numbered on, and empty cells for figures that
        it lacks or the first lacked; with False each replaces what was there.

    Raises
    ------
    OutputError
        Before training, if the file cannot be written.
    """

    on_every_rank = False

    def __init__(self, path: str | Path, resume: bool = True) -> None:
        self.path = Path(path)
        self.resume = flag(self, "resume", resume)
        self._rows: list[dict[str, float]] = []

    def check(self, trainer: Training) -> None:
        """Raise where the file cannot be written."""
        require_writable(self.path)

    def on_train_begin(self, trainer: Training) -> None:
        """Go on, or begin anew."""
        if not self.resume:
            self._rows = []

    def on_epoch_end(self, trainer: Training, epoch: int, values: dict[str, float]) -> None:
        """Write all epochs so far."""
        self._rows.append({name: float(value) for name, value in numbers_of(values).items()})
        names = list(dict.fromkeys(name for row in self._rows for name in row))
        write_file(self.path, csv_table(names, self._rows))

    def state_dict(self) -> dict[str, Any]:
        """Return the epochs that it has seen: ``"names"``, and ``"rows"``, (epochs, names), NaN where one was missing.

        ``"has"`` tells, as bool, which were there.
        """
        names = list(dict.fromkeys(name for row in self._rows for name in row))
        shape = len(self._rows), len(names)
        rows = np.array([[row.get(name, math.nan) for name in names] for row in self._rows]).reshape(shape)
        return {"names": names, "rows": rows, "has": np.array([[name in row for name in names] for row in self._rows])}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue below the epochs that `state_dict` returned.

        Raises
        ------
        CheckpointError
            If it is no such state.
        """
        try:
            names, rows, has = (state[name] for name in ("names", "rows", "has"))
            cells = zip(rows.astype(np.float64).tolist(), has.tolist(), strict=True)
            self._rows = [
                {str(name): value for name, value, there in zip(names, row, own, strict=True) if there}
                for row, own in cells
            ]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CheckpointError("state does not fit CSVLog: expected names, and rows of numbers") from error
