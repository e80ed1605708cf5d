"""Training on more data than memory holds: how much memory it takes at its highest, by the size of the data.

    python -m benchmarks memory

Data of 0.1, 1 and 4 GB lie in a file, mapped into memory (`numpy.memmap`), and are trained on for an epoch; so are as
many batches of a generator, which makes each when it is due, and, of the smallest, arrays in memory. Each case is a
process of its own. Counted is what is its own alone (the kernel's ``RssAnon``), looked at every 20 ms: pages of the
file belong to the system, which takes them back when it needs them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import machine

__all__ = ["main", "measure"]

_TIME, _FEATURES, _BATCH = 100, 64, 64
_ROW = _TIME * _FEATURES * 4
_SIZES = (0.1e9, 1e9, 4e9)
_GLANCE = 0.02


def _own_bytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no RssAnon in /proc/self/status: a Linux is needed")


class _Highest(threading.Thread):
    """Looks at the memory until it is told to stop."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.highest = self.first = _own_bytes()
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(_GLANCE):
            self.highest = max(self.highest, _own_bytes())

    def end(self) -> int:
        self._over.set()
        self.join()
        return self.highest - self.first


def measure(kind: str, path: str, rows: int) -> dict[str, Any]:
    """Train one epoch, in this process, and return the memory that was added at most, and the seconds."""
    import lamina

    model = lamina.Sequential(lamina.layers.GRU(32), lamina.layers.Dense(2))
    trainer = lamina.Trainer(model, optimizer="sgd")
    labels, size = np.arange(rows) % 2, _BATCH
    few = np.zeros((size, _TIME, _FEATURES), np.float32)
    trainer.fit(few, labels[:size], epochs=1, batch_size=size, verbose=False)  # what is made once is there

    def batches() -> Any:
        rng = np.random.default_rng(0)
        for start in range(0, rows, size):
            count = min(size, rows - start)
            yield rng.random((count, _TIME, _FEATURES), np.float32), labels[start : start + count]

    watch = _Highest()
    watch.start()
    began = time.perf_counter()
    if kind == "generator":
        trainer.fit(batches, epochs=1, verbose=False)
    else:
        x = np.memmap(path, np.float32, "r", shape=(rows, _TIME, _FEATURES))
        trainer.fit(x if kind == "file" else np.array(x), labels, epochs=1, batch_size=size, verbose=False)
    return {"bytes": watch.end(), "seconds": time.perf_counter() - began}


def main() -> None:
    """Measure each case in a process of its own, and print a table."""
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    print(f"\nGRU(32), rows of {_TIME} steps of {_FEATURES} features, batches of {_BATCH}, one epoch\n")
    print("data, GB  from                    memory added at most, MB   seconds")
    with tempfile.TemporaryDirectory() as folder:
        for size in _SIZES:
            rows, path = int(size / _ROW), Path(folder) / "data"
            with path.open("wb") as file:
                file.truncate(rows * _ROW)  # zeros that take no room on the disk
            kinds = ("file", "generator", "array") if size == _SIZES[0] else ("file", "generator")
            names = {"file": "a file, by rows", "generator": "a generator", "array": "an array in memory"}
            for kind in kinds:
                command = [sys.executable, "-m", "benchmarks.memory", kind, str(path), str(rows)]
                found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                print(
                    f"{size / 1e9:8.1f}  {names[kind]:22}{found['bytes'] / 1e6:24.1f}{found['seconds']:12.1f}",
                    flush=True,
                )


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
