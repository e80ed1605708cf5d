"""A callback that writes the figures of each epoch as a line of JSON."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lamina.files import require_writable
from lamina.files.whole import refusal
from lamina.train.callback import Training
from lamina.train.epoch_log import EpochLog

__all__ = ["JSONLinesLog"]


class JSONLinesLog(EpochLog):
    """Write a line of JSON for each epoch: ``{"epoch": 1, "loss": 0.5, ...}``.

    Lines are added at the end, so that a program that follows the file sees each epoch once. A second `fit` goes on
    below the first, with epochs numbered on. Arrays, such as a confusion matrix, are lists of lists; NaN and infinity,
    which JSON has not, are null.

    Parameters
    ----------
    path : str or Path
        What an earlier run of the program left there is replaced once an epoch ends. Its folder is made where there
        is none. In a run that is resumed, the lines of epochs after its checkpoint's are cut off.

    Raises
    ------
    OutputError
        If the file cannot be written; before training, where that is known.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        self.path = Path(path)
        self._end: int | None = None

    def check(self, trainer: Training) -> None:
        """Raise where the file cannot be written."""
        require_writable(self.path)

    def write(self, trainer: Training, epoch: int, values: dict[str, float]) -> None:
        """Add a line below those of the epochs before."""
        arrays = {name: each[-1].tolist() for name, each in trainer.history.arrays.items() if each}
        line = json.dumps({"epoch": epoch} | _plain(values | arrays), allow_nan=False) + "\n"
        try:
            with open(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666), "r+b") as file:
                if self._end is None or file.seek(0, os.SEEK_END) < self._end:
                    self._end = _end_of(file, epoch - 1)
                file.seek(self._end)
                file.truncate()
                file.write(line.encode())
                file.flush()
                os.fsync(file.fileno())
                self._end = file.tell()
        except OSError as error:
            raise refusal(self.path, error) from error

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on below as many lines as `state_dict` returned epochs.

        Raises
        ------
        CheckpointError
            If it is no such state.
        """
        super().load_state_dict(state)
        self._end = None


def _end_of(file: Any, lines: int) -> int:
    """Return where so many lines of a file end, or all whole ones, where there are fewer."""
    file.seek(0)
    for _ in range(lines):
        place = file.tell()
        if not file.readline().endswith(b"\n"):
            return int(place)
    return int(file.tell())


def _plain(value: Any) -> Any:
    """Return a value with None in place of what JSON has no number for."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
