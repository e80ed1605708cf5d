"""Long runs and many runs: memory, threads and open files stay as they are."""

import gc
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.callbacks import Callback
from lamina.layers import LSTM, Dense, Dropout

PROC = Path("/proc/self")
STEPS, FITS = 50_000, 300
X = np.random.default_rng(0).normal(size=(40, 4, 3))
Y = np.random.default_rng(1).integers(0, 2, 40)


@pytest.fixture(autouse=True)
def slow(request: Any) -> None:
    if not request.config.getoption("--slow"):
        pytest.skip("takes minutes: --slow")
    if not (PROC / "statm").exists():
        pytest.skip("needs /proc to count")


class Levels:
    """How much memory, and how many threads and files, a process has from time to time."""

    def __init__(self) -> None:
        self.taken: list[tuple[int, int, int, int]] = []

    def take(self) -> None:
        gc.collect()
        pages = int((PROC / "statm").read_text().split()[1])
        threads = len(os.listdir(PROC / "task"))
        self.taken.append((pages * 4096, threads, len(os.listdir(PROC / "fd")), threading.active_count()))

    def check(self) -> None:
        """Compare the second half of the run with its last moment: what begins has been taken by then."""
        assert len(self.taken) >= 8
        half = self.taken[len(self.taken) // 2 :]
        memory = [one[0] for one in half]
        assert memory[-1] - memory[0] < 4 << 20, memory
        for place in (1, 2, 3):  # what reads ahead may be there, or just gone
            counts = [one[place] for one in self.taken]
            assert max(counts[len(counts) // 2 :]) - min(counts) <= 1, counts


class Watch(Callback):
    """Takes the level ten times in a run."""

    def __init__(self, levels: Levels, each: int) -> None:
        self.levels, self.each, self.steps = levels, each, 0

    def on_step_end(self, trainer: Any, epoch: int, step: int, loss: Any) -> None:
        self.steps += 1
        if self.steps % self.each == 0:
            self.levels.take()


def batches() -> Iterator[Any]:
    for start in range(0, 40, 4):
        yield X[start : start + 4], Y[start : start + 4]


def mapped(folder: Path) -> Any:
    np.save(folder / "x.npy", X)
    return np.load(folder / "x.npy", mmap_mode="r")


SOURCES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "arrays": lambda folder: {"x": X, "y": Y, "batch_size": 4},
    "batches": lambda folder: {"x": batches},
    "rows on a disk": lambda folder: {"x": mapped(folder), "y": Y, "batch_size": 4},
    "kept in a folder": lambda folder: {"x": X, "y": Y, "batch_size": 4, "checkpoint": folder / "run", "every": 500},
}


def model(backend: str) -> lamina.Sequential:
    made = lamina.Sequential(LSTM(3), Dropout(0.2), Dense(2))
    made.build((None, None, 3), seed=0, backend=backend)
    return made


@pytest.fixture(params=["numpy", "numba"])
def backend(request: Any) -> str:
    if request.param == "numba":
        pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")
    return str(request.param)


@pytest.mark.parametrize("source", SOURCES)
def test_50_000_steps(backend: str, source: str, tmp_path: Path) -> None:
    levels = Levels()
    trainer = lamina.Trainer(model(backend), optimizer="adam", callbacks=Watch(levels, STEPS // 10))
    trainer.fit(**SOURCES[source](tmp_path), epochs=STEPS // 10, verbose=False)
    levels.check()


@pytest.mark.parametrize("source", SOURCES)
def test_300_fits(backend: str, source: str, tmp_path: Path) -> None:
    levels = Levels()
    for number in range(FITS):
        given = SOURCES[source](tmp_path)
        if "checkpoint" in given:
            given["checkpoint"] = tmp_path / "run" / str(number)
        trainer = lamina.Trainer(model(backend), optimizer="adam", metrics="accuracy")
        trainer.fit(**given, epochs=1, validation_data=(X, Y), verbose=False)
        if number % (FITS // 10) == 0:
            levels.take()
    levels.check()
