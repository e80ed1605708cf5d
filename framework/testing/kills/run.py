"""A run in a process of its own, which is killed at some moment, and gone on with in another one until it is done."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lamina.core.packed import pack
from lamina.testing.kills.cases import CASES, PLANNED, Begun

__all__ = ["Outcome", "ended", "go_on", "kill_often", "result_of"]

# How a process ends whose run has ended.
_DONE, _FAILED = 0, 3
# Seconds after which a process that neither ends nor dies is a failure.
_HANGS = 60.0
_EVERY: tuple[int | str, ...] = (1, 2, 3, 7, "1 epoch", "2 epochs", "0.005 seconds")


class Outcome(NamedTuple):
    """What came of a run that was killed.

    Attributes
    ----------
    kills : int
        How often it was.
    goings_on : int
        How often a process found a checkpoint and went on.
    """

    kills: int
    goings_on: int


def result_of(begun: Begun, checkpoint: Path | None, every: int | str = "1 epoch") -> bytes:
    """Run a case to its end; return all that it came to, but for the seconds."""
    trainer, given = begun
    history = trainer.fit(**given, checkpoint=checkpoint, every=every, verbose=False)
    recorded = history.state_dict()
    recorded["values"].pop("seconds", None)
    content = {
        "parameters": trainer.model.state_dict(),
        "optimizer": trainer.optimizer.state_dict(),
        "history": recorded,
        "callbacks": [_without_seconds(callback.state_dict()) for callback in trainer.callbacks],
        "generator": dict(trainer._generator.bit_generator.state),
        "facts": trainer.model.facts,
    }
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    packed = json.dumps(pack(content, arrays), sort_keys=True)
    return packed.encode() + b"".join(name.encode() + arrays[name].tobytes() for name in sorted(arrays))


def _without_seconds(state: dict[str, Any]) -> dict[str, Any]:
    """Return a callback's state without what differs from run to run: a log's seconds."""
    if "seconds" not in state.get("names", ()):
        return state
    kept = [place for place, name in enumerate(state["names"]) if name != "seconds"]
    return state | {"rows": state["rows"][:, kept], "names": [state["names"][place] for place in kept]}


def ended(work: Callable[[], None], seconds: float | None = None) -> int | None:
    """Run work in a child process; kill it after some seconds; return its exit code, None where it was killed."""
    child = os.fork()
    if not child:
        code = _FAILED
        try:
            work()
            code = _DONE
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(code)
    limit = time.monotonic() + (_HANGS if seconds is None else seconds)
    while time.monotonic() < limit:
        number, status = os.waitpid(child, os.WNOHANG)
        if number:
            return _code(status)
        time.sleep(0.0005)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if seconds is None:
        raise TimeoutError(f"a run did not end within {_HANGS:g} s")
    return _code(status)


def _code(status: int) -> int | None:
    code = os.waitstatus_to_exitcode(status)
    return None if code == -signal.SIGKILL else code


def go_on(name: str, folder: Path, every: int | str, out: Path) -> Callable[[], None]:
    """Return the work of a process that runs a case, or goes on with it, and writes what it came to."""

    def work() -> None:
        found = result_of((CASES | PLANNED)[name](folder), folder / "run", every)
        out.write_bytes(found)

    return work


def kill_often(name: str, folder: Path, generator: np.random.Generator, expected: bytes, seconds: float) -> Outcome:
    """Kill a run at random moments until it is done all the same, and compare what it came to, bit for bit.

    Parameters
    ----------
    name : str
        Of the case.
    folder : Path
        Is emptied.
    generator : numpy.random.Generator
    expected : bytes
        What it comes to where nothing kills it.
    seconds : float
        How long it takes then.

    Raises
    ------
    AssertionError
        If it came to something else, or a process failed.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    every, out = _EVERY[int(generator.integers(len(_EVERY)))], folder / "result"
    work = go_on(name, folder, every, out)
    kills = goings_on = 0
    while True:
        goings_on += any((folder / "run").glob("checkpoint-*"))
        # At last it is left alone: one that takes longer than a process lives would never end.
        moment = None if kills >= 20 else float(generator.uniform(0, 1.2 * seconds))
        code = ended(work, moment)
        if code is None:
            kills += 1
            continue
        assert code == _DONE, f"{name}, every {every!r}: a process failed after {kills} kills"
        break
    assert out.read_bytes() == expected, f"{name}, every {every!r}: other bits after {kills} kills"
    leftover = [one.name for one in (folder / "run").glob(".lamina-*")]
    assert not leftover, f"{name}: left behind: {leftover}"
    # The same call once more: a finished run trains nothing, and gives the same.
    out.unlink()
    assert ended(work) == _DONE
    assert out.read_bytes() == expected, f"{name}: a finished run gives something else"
    return Outcome(kills, goings_on)


def survey(kills: int, seed: int, folder: Path, names: list[str], tell: Callable[[str], None] = print) -> Counter[str]:
    """Kill runs of the cases in turn until there were so many kills; return counts by case."""
    generator, counts = np.random.default_rng(seed), Counter[str]()
    expected: dict[str, tuple[bytes, float]] = {}
    while sum(counts.values()) < kills:
        for name in names:
            if name not in expected:
                expected[name] = _undisturbed(name, folder / name)
            found = kill_often(name, folder / name, generator, *expected[name])
            counts[name] += found.kills
            if sum(counts.values()) >= kills:
                break
    for name in names:
        tell(f"{name}: {counts[name]} kills, the same bits")
    return counts


def _undisturbed(name: str, folder: Path) -> tuple[bytes, float]:
    """Return what a case comes to without a checkpoint and with one, which is the same, and in what time."""
    out, found = folder / "result", []
    for checkpoint in (None, folder / "run"):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)

        def work(checkpoint: Path | None = checkpoint) -> None:
            out.write_bytes(result_of((CASES | PLANNED)[name](folder), checkpoint, 1))

        began = time.monotonic()
        assert ended(work) == _DONE, f"{name}: failed undisturbed"
        seconds = time.monotonic() - began
        found.append(out.read_bytes())
    assert found[0] == found[1], f"{name}: a checkpoint changes what a run comes to"
    return found[0], seconds
