"""``python -m benchmarks ranks``: 1, 2 and 4 ranks beside one process, and the model of a step beside what it took."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import lamina
from benchmarks.harness import machine, measure
from benchmarks.ranks.model import Network, fitted, step_seconds, table
from benchmarks.ranks.shapes import SHAPES, fitting, gradient_bytes
from lamina.distributed import Communicator

__all__ = ["main"]

_RANKS = (2, 4)
_MANY = (1, 2, 4, 8, 16, 64, 256, 1000)
# What networks between machines have: for the table of many ranks, beside the one measured here.
_NETWORKS = {"25 Gbit Ethernet": Network(20e-6, 2.5e9), "InfiniBand of 200 Gbit": Network(2e-6, 22e9)}


class _One(Communicator):
    """One rank: what a trainer is given on one process."""

    name, rank, size = "one", 0, 1

    def allreduce(self, array: Any, operation: str = "sum") -> None:
        """Leave it as it is."""

    def broadcast(self, array: Any, root: int = 0) -> None:
        """Leave it as it is."""

    def barrier(self) -> None:
        """Return."""


def main() -> None:
    """Print the tables."""
    print(", ".join(f"{key} {value}" for key, value in machine().items()), "\n")
    _print_overhead()
    computed, updates = _computed()
    found = {ranks: _measured(ranks) for ranks in _RANKS}
    networks = {}
    for ranks, one in found.items():
        networks[ranks] = fitted(ranks, {int(size): seconds for size, seconds in one["messages"].items()})
        _print_messages(ranks, one["messages"], networks[ranks])
    print("\na step on N ranks, global batch as the shape says; one thread a rank, float32, kernels of NumPy")
    titles = f"{'computes ms':>12}{'model ms':>10}{'measured ms':>13}{'ratio':>7}"
    print(f"{'shape (batch, time, features, units)':38}{'ranks':>6}{titles}")
    for name, shape in SHAPES.items():
        for ranks in (1, *_RANKS):
            alone = found[ranks]["computed"][name] if ranks > 1 else computed[name] + updates[name]
            modelled = step_seconds(alone, 0.0, gradient_bytes(name), networks.get(ranks, networks[2]), ranks)
            measured = alone if ranks == 1 else found[ranks]["steps"][name]
            told = f"{1e3 * alone:12.2f}{1e3 * modelled:10.2f}{1e3 * measured:13.2f}{modelled / measured:7.2f}"
            print(f"{name + ' ' + str(shape):38}{ranks:6}{told}")
    for title, network in {"measured here, 4 ranks": networks[4], **_NETWORKS}.items():
        _print_many(title, network, computed["medium"], updates["medium"])


def _print_overhead() -> None:
    """Print what a communicator costs where there is one rank."""
    print("one rank with a communicator over none, the median of rounds that take turns:")
    for name in SHAPES:
        alone, with_one = (fitting(name, one) for one in (None, _One()))
        ratios = []
        for _ in range(9):
            own, other = (statistics.median(fit()) for fit in (alone, with_one))
            ratios.append(other / own)
        print(f"  {name:8} {statistics.median(ratios):.3f}")


def _computed() -> tuple[dict[str, float], dict[str, float]]:
    """Return, by shape, the seconds in which one process computes a batch's gradients, and those of an update."""
    seconds, updates = {}, {}
    for name in SHAPES:
        optimizer = lamina.optimizers.SGD(_parameters(name), lr=0.01)
        updates[name] = measure({"update": optimizer.step}, rounds=9)["update"].median
        fit = fitting(name)
        seconds[name] = statistics.median([one for _ in range(3) for one in fit()]) - updates[name]
    return seconds, updates


def _parameters(name: str) -> Any:
    _, _, features, units = SHAPES[name]
    model = lamina.Sequential(lamina.layers.LSTM(units), lamina.layers.Dense(10))
    model.build((None, None, features), seed=0)
    return model.parameters()


def _measured(ranks: int) -> dict[str, Any]:
    """Return what so many ranks measure."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    launcher = shutil.which("mpiexec", path=path)
    if launcher is None:
        raise SystemExit("ranks: needs an MPI: pip install -e '.[mpi]'")
    command = [launcher, "-n", str(ranks), sys.executable, "-m", "benchmarks.ranks.worker"]
    given = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.run(command, env=given, capture_output=True, text=True, check=False)
    if process.returncode:
        raise SystemExit(process.stderr)
    found: dict[str, Any] = json.loads(process.stdout)
    return found


def _print_messages(ranks: int, messages: dict[str, float], network: Network) -> None:
    told = f"{1e6 * network.latency:.1f} us a round, {network.bandwidth / 1e9:.2f} GB/s"
    print(f"\nallreduce on {ranks} ranks of this machine: {told}")
    for size, seconds in messages.items():
        modelled = network.allreduce(int(size), ranks)
        print(f"  {int(size):9} bytes {1e6 * seconds:10.1f} us, by the model {1e6 * modelled:10.1f}")


def _print_many(title: str, network: Network, computed: float, update: float) -> None:
    """Print what the model says of many ranks: of as many rows a rank, and of as many in all."""
    size = gradient_bytes("medium")
    weak = table([computed] * len(_MANY), update, size, network, _MANY)
    strong = table([computed / ranks for ranks in _MANY], update, size, network, _MANY)
    print(f"\nmedium on a network of {1e6 * network.latency:.1f} us and {network.bandwidth / 1e9:.1f} GB/s ({title})")
    print(f"{'ranks':>6}{'64 rows a rank: ms':>20}{'efficiency':>12}{'64 rows in all: ms':>20}{'times as fast':>15}")
    for (ranks, seconds, share), (_, other, _) in zip(weak, strong, strict=True):
        faster = strong[0][1] / other
        print(f"{ranks:6}{1e3 * seconds:20.2f}{100 * share:11.0f}%{1e3 * other:20.2f}{faster:15.1f}")
