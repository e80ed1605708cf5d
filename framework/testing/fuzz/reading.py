"""What became of a hostile file of data: it was read, it was refused as it should be, or something is broken."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from lamina.cli.data import Data, read
from lamina.errors import LaminaError

__all__ = ["FAILED", "MEMORY", "outcome"]

#: How the outcome begins that must not be.
FAILED = "failed: "
#: How many bytes the data of a hostile file may take.
MEMORY = 1 << 22
_LONGEST_MESSAGE = 1000


def outcome(content: bytes, suffix: str, folder: str | Path, task: str = "classify", memory: int = MEMORY) -> str:
    """Return what a command makes of a file's bytes.

    Parameters
    ----------
    content : bytes
    suffix : {".npz", ".csv", ".ts"}
    folder : str or Path
        Where the file may be written; one that is there already is replaced.
    task : {"classify", "tag", "regress", "forecast"}
    memory : int
        How many bytes the data may take.

    Returns
    -------
    str
        ``"read"``; ``"refused: "`` and the name of the error, which is one of Lamina's, of one line of bounded
        length; or `FAILED` and what is wrong: another error, a warning, or data that are not what commands rely on.
    """
    path = Path(folder) / f"hostile{suffix}"
    path.write_bytes(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            wrong = _broken(read(str(path), task, memory=memory), memory)
    except LaminaError as error:
        message = str(error)
        if len(message.splitlines()) != 1 or len(message) > _LONGEST_MESSAGE + len(str(path)):
            return f"{FAILED}{type(error).__name__} of {len(message)} characters: {message[:200]!r}"
        return f"refused: {type(error).__name__}"
    except Exception as error:
        return f"{FAILED}{type(error).__name__}: {error}"[:500]
    return f"{FAILED}{wrong}" if wrong else "read"


def _broken(data: Data, memory: int) -> str:
    """Return what is wrong with data that were read; nothing where they are as all that follows relies on."""
    for part in (data.train, data.test):
        if part is None:
            continue
        x, y, lengths = part.x, part.y, part.lengths
        if x.ndim != 3 or not x.size or x.dtype not in (np.float32, np.float64) or not x.dtype.isnative:
            return f"x of {x.dtype} and shape {x.shape}"
        if x.nbytes > memory:
            return f"x of {x.nbytes} bytes where {memory} may be taken"
        if len(y) != len(x) or (lengths is not None and (len(lengths) != len(x) or lengths.max() > x.shape[1])):
            return f"{len(x)} rows with {len(y)} targets"
        steps = x if lengths is None else x[np.arange(x.shape[1]) < lengths[:, None]]
        if not np.isfinite(steps).all():
            return "a valid step that is not finite"
        if data.class_names and not 0 <= y.min() <= y.max() < len(data.class_names):
            return f"labels from {y.min()} to {y.max()} of {len(data.class_names)} classes"
    if any("\ud800" <= character <= "\udfff" for name in data.class_names for character in name):
        return "a class whose name no file can hold"
    return ""
