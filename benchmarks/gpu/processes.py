"""A part in a process of its own: watched, ended where it hangs, begun again after what broke it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.gpu.records import Records

__all__ = ["Part", "run_part"]

_ROOT = Path(__file__).resolve().parents[2]


class Part(NamedTuple):
    """A part of the run.

    Attributes
    ----------
    name : str
    seconds : float
        Its limit.
    silence : float
        How many seconds an item may go on without a record before it is taken to hang.
    stretches : bool
        Whether it may also take what time the others leave.
    """

    name: str
    seconds: float
    silence: float
    stretches: bool = False


def run_part(
    part: Part,
    command: Sequence[str],
    records: Records,
    log: Path,
    seconds: float,
    environment: dict[str, str],
    tell: Callable[[str], None],
) -> str:
    """Run a part to its end or its limit; return how it ended: ``"done"``, or what stopped it.

    An item that hangs, or whose process dies (an illegal address leaves no use of a GPU to a process), is noted, and
    the part is begun again with the next one: the process itself leaves out the items that were begun.

    Parameters
    ----------
    part : Part
    command : sequence of str
        Starts its process, which writes to the records.
    records : Records
    log : Path
        Takes what it prints.
    seconds : float
        Its limit in this run.
    environment : dict
    tell : callable
        Called with a line for whoever waits.
    """
    deadline = time.monotonic() + seconds
    while True:
        begun = len(records.begun(part.name))
        with log.open("ab") as printed:
            process = subprocess.Popen(
                command, stdout=printed, stderr=subprocess.STDOUT, env=environment, cwd=_ROOT, start_new_session=True
            )
            try:
                ended = _watch(process, records, deadline, part.silence)
            finally:
                _end(process)
        if ended == "":
            if process.returncode == 0:
                return "done"
            ended = f"its process ended with code {process.returncode}"
        item = records.unfinished(part.name)
        if item is not None:
            known = any(record["kind"] == "error" and record.get("item") == item for record in records.read(part.name))
            if not known:
                records.write(part.name, "error", item, error=ended)
                tell(f"  {item}: {ended}")
        if time.monotonic() >= deadline or len(records.begun(part.name)) == begun:
            return ended


def _watch(process: subprocess.Popen[bytes], records: Records, deadline: float, silence: float) -> str:
    """Return nothing where the process ended by itself, else why it must be ended."""
    start, size, since = time.monotonic(), _size(records), time.monotonic()
    while process.poll() is None:
        now = time.monotonic()
        if now >= deadline:
            return f"its limit was reached after {now - start:.0f} s"
        if _size(records) != size:
            size, since = _size(records), now
        elif now - since > silence:
            return f"no answer within {silence:.0f} s"
        try:
            process.wait(0.2)
        except subprocess.TimeoutExpired:
            continue
    return ""


def _size(records: Records) -> int:
    return records.path.stat().st_size if records.path.exists() else 0


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
