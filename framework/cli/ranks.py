"""A command on several ranks: rank 0 speaks and writes; of an error on another one its line tells which it was."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from lamina.cli.say import silence
from lamina.distributed import Communicator
from lamina.errors import DistributedError, LaminaError

__all__ = ["speaking"]

# Seconds that ranks give rank 0 to say what is wrong on all of them, such as an option.
_DEFERENCE = 1.0


@contextmanager
def speaking(communicator: Communicator | None) -> Iterator[bool]:
    """Yield whether this process speaks and writes; the others are silent within the block.

    Raises
    ------
    DistributedError
        In place of another error of Lamina's on a rank but the first: it says which rank's it was.
    """
    if communicator is None or communicator.size == 1:
        yield True
        return
    leads = communicator.rank == 0
    communicator.begin()
    try:
        with silence(not leads):
            yield leads
    except BaseException as error:
        communicator.fail(f"{type(error).__name__}: {error}")
        if leads or not isinstance(error, LaminaError):
            raise
        time.sleep(_DEFERENCE)
        if isinstance(error, DistributedError):
            raise
        raise DistributedError(f"rank {communicator.rank} of {communicator.size}: {error}") from error
