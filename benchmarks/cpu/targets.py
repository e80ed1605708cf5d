"""What Lamina must reach beside its rivals, on NumPy and by its engine, and whether it does."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

from benchmarks.cpu.engine_targets import engine_targets
from benchmarks.cpu.ratios import OURS, fastest, median, ratio
from benchmarks.cpu.target import Target

__all__ = ["Target", "share", "targets"]

_TINY, _LARGE = (2, 3, 2, 4), (128, 128, 128, 512)
_MIDDLE = ((32, 8, 8, 32), (32, 28, 28, 64), (64, 100, 64, 128))
# The fastest rival's time over ours.
_TRAINING = {
    "SimpleRNN": dict.fromkeys(_MIDDLE, 1.5) | {_LARGE: 1.2},
    "GRU": dict.fromkeys((_TINY, *_MIDDLE), 1.2) | {_LARGE: 1.1},
    "LSTM": dict.fromkeys((_TINY, *_MIDDLE), 1.2) | {_LARGE: 1.1},
}
_SHARE = 0.85  # of the rate of large products, by the SimpleRNN of the largest shape
_WITHIN_ONNX_RUNTIME = 1.3  # times its time, at most

Results = dict[str, Any]


def share(record: dict[str, Any], rate: float, name: str = OURS) -> float:
    """Return a training step's operations a second as a share of those of large products."""
    return float(record["operations"]) / median(record["seconds"], name) / rate


def targets(results: Results) -> list[Target]:
    """Return the targets of whatever was measured."""
    found: list[Target] = []
    for run in results["runs"]:
        threads = f"{run['threads']} thread{'s' * (run['threads'] > 1)}"
        promised = [target for part in (_training, _inference, _epochs, _trainer) for target in part(run)]
        if results.get("instructions") == "AVX2":  # for which they were promised
            promised += engine_targets(run)
        found += [
            Target(f"{target.what}, {threads}", target.needed, target.found, target.at_least, target.unit)
            for target in promised
        ]
    return found + list(_start_up(results)) + list(_memory(results))


def _training(run: Results) -> Iterator[Target]:
    for record in run.get("training", []):
        kind, shape, seconds = record["kind"], tuple(record["shape"]), record["seconds"]
        needed, rival = _TRAINING[kind].get(shape), fastest(seconds)
        if needed and rival:
            yield Target(f"{kind} {shape} over the fastest rival, {rival}", needed, ratio(seconds, rival))
        if kind == "SimpleRNN" and shape == _TINY:
            for name, needed in (("jax", 0.8), ("pytorch", 4.0)):
                if name in seconds:
                    yield Target(f"{kind} {shape} over {name}", needed, ratio(seconds, name))
        if kind == "SimpleRNN" and shape == _LARGE and "products" in run:
            yield Target(f"{kind} {shape}, share of the products' rate", _SHARE, share(record, run["products"]))


def _inference(run: Results) -> Iterator[Target]:
    for record in run.get("inference", []):
        what, seconds = f"inference, {record['kind']}({record['units']}), time {record['time']}", record["seconds"]
        if record["time"] > 1 and "onnx runtime" in seconds:
            times = 1 / ratio(seconds, "onnx runtime")
            yield Target(f"{what}: ONNX Runtime's time", _WITHIN_ONNX_RUNTIME, times, at_least=False, unit=" x")
        if "pytorch" in seconds:
            yield Target(f"{what} over pytorch", 4.0, ratio(seconds, "pytorch"))


def _epochs(run: Results) -> Iterator[Target]:
    for record in run.get("epochs", []):
        if record["data"] == "vowels" and "pytorch" in record["seconds"]:
            yield Target(f"{record['name']} over pytorch", 2.0, ratio(record["seconds"], "pytorch"))


def _trainer(run: Results) -> Iterator[Target]:
    for record in run.get("trainer", []):
        seconds, shape = record["seconds"], tuple(record["shape"])
        if "trainer" not in seconds or record.get("kind", "SimpleRNN") != "SimpleRNN":
            continue
        if shape == _TINY:
            more = [theirs - ours for theirs, ours in zip(seconds["trainer"], seconds[OURS], strict=True)]
            found = statistics.median(more) * 1e6
            yield Target(f"Trainer {shape}, more than a step written out", 60, found, at_least=False, unit=" µs")
        else:
            found = (ratio(seconds, "trainer") - 1) * 100
            yield Target(f"Trainer {shape}, more than a step written out", 5, found, at_least=False, unit=" %")


def _start_up(results: Results) -> Iterator[Target]:
    seconds = results.get("start-up", {}).get("seconds", {})
    if "pytorch" in seconds:
        yield Target("start to first trained batch over pytorch", 5.0, ratio(seconds, "pytorch"))


def _memory(results: Results) -> Iterator[Target]:
    for record in results.get("memory", []):
        ours, theirs = record["bytes"].get(OURS), record["bytes"].get("pytorch")
        if not ours or not theirs:
            continue
        what = f"memory of training {record['kind']} {tuple(record['shape'])}"
        yield Target(f"{what}, whole process", theirs["most"] / 1e6, ours["most"] / 1e6, at_least=False, unit=" MB")
        grown, allowed = ((one["most"] - one["imported"]) / 1e6 for one in (ours, theirs))
        yield Target(f"{what}, since the import", allowed, grown, at_least=False, unit=" MB")
