"""What Lamina's engine must reach beside the rivals with AVX2, and whether it does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.cpu.ratios import ENGINE, OURS, Seconds, fastest, ratio
from benchmarks.cpu.target import Target

__all__ = ["engine_targets"]

_TINY, _LARGE = (2, 3, 2, 4), (128, 128, 128, 512)
# The fastest rival's time over the engine's: SimpleRNN, GRU, LSTM.
_STEPS = {
    _TINY: (10.0, 10.0, 10.0),
    (32, 8, 8, 32): (3.2, 2.8, 2.2),
    (32, 28, 28, 64): (1.7, 1.6, 1.6),
    (64, 100, 64, 128): (1.4, 1.8, 1.75),
    (16, 1000, 32, 128): (2.3, 2.5, 2.1),
    _LARGE: (1.4, 1.25, 1.15),
}
_KINDS = ("SimpleRNN", "GRU", "LSTM")
_THROUGH_TRAINER = 2.0
_OVER_ONNX_RUNTIME = 2.0  # one step
_SEQUENCE, _SEQUENCE_WIDE_SIMPLE = 1.3, 1.1
_EPOCHS = {"vowels": 4.0, "characters": 1.5}
# Against which the engine must never be slower, and what they are called.
_OURS = {"lamina": "Lamina on NumPy", "lamina numba": "Lamina on numba"}
_SECTIONS = ("training", "ragged", "models", "inference", "epochs")

Record = dict[str, Any]


def engine_targets(run: Record) -> list[Target]:
    """Return the targets of what was measured with one number of threads; none where the engine took no part.

    What it was left out of is found to be 0.
    """
    if not any(ENGINE in record["seconds"] for section in (*_SECTIONS, "trainer") for record in run.get(section, [])):
        return []
    parts = (_steps(run), _through_trainer(run), _inference(run), _epochs(run), _never_slower(run))
    return [target for part in parts for target in part]


def _over(seconds: Seconds, rival: str) -> float:
    """Return a contestant's time over the engine's; 0 where that was left out."""
    return ratio(seconds, rival, ENGINE) if ENGINE in seconds else 0.0


def _fastest(seconds: Seconds) -> str | None:
    return fastest(seconds, ENGINE if ENGINE in seconds else OURS)


def _steps(run: Record) -> Iterator[Target]:
    """Yield those of training steps, whole and ragged; those of the largest are promised for one thread alone."""
    for section in ("training", "ragged"):
        for record in run.get(section, []):
            kind, shape = record["kind"], tuple(record["shape"])
            rival = _fastest(record["seconds"])
            if rival and shape in _STEPS and (run["threads"] == 1 or shape != _LARGE):
                what = f"engine, {'ragged ' * (section == 'ragged')}{kind} {shape} over the fastest rival, {rival}"
                yield Target(what, _STEPS[shape][_KINDS.index(kind)], _over(record["seconds"], rival))


def _through_trainer(run: Record) -> Iterator[Target]:
    for record in run.get("trainer", []):
        rival = _fastest(record["seconds"])
        if rival and tuple(record["shape"]) == _TINY:
            what = f"engine, {record['kind']} {tuple(record['shape'])} through Trainer over the fastest rival, {rival}"
            yield Target(what, _THROUGH_TRAINER, _over(record["seconds"], rival))


def _inference(run: Record) -> Iterator[Target]:
    for record in run.get("inference", []):
        kind, units, seconds = record["kind"], record["units"], record["seconds"]
        what = f"engine, inference, {kind}({units}), time {record['time']}"
        if record["time"] == 1:
            if "onnx runtime" in seconds:
                yield Target(f"{what} over onnx runtime", _OVER_ONNX_RUNTIME, _over(seconds, "onnx runtime"))
        elif rival := _fastest(seconds):
            needed = _SEQUENCE_WIDE_SIMPLE if (kind, units) == ("SimpleRNN", 256) else _SEQUENCE
            yield Target(f"{what} over the fastest rival, {rival}", needed, _over(seconds, rival))


def _epochs(run: Record) -> Iterator[Target]:
    for record in run.get("epochs", []):
        if "pytorch" in record["seconds"]:
            found = _over(record["seconds"], "pytorch")
            yield Target(f"engine, {record['name']} over pytorch", _EPOCHS[record["data"]], found)


def _never_slower(run: Record) -> Iterator[Target]:
    """Yield, for each section, where the engine gains least over what Lamina does without it."""
    for section in _SECTIONS:
        for name, title in _OURS.items():
            theirs = [record for record in run.get(section, []) if name in record["seconds"]]
            if theirs:
                found, least = min((_over(record["seconds"], name), _named(record)) for record in theirs)
                yield Target(f"engine, {section} over {title}, the least of {len(theirs)}: {least}", 1.0, found)


def _named(record: Record) -> str:
    if "time" in record:
        return f"{record['kind']}({record['units']}), time {record['time']}"
    shape = f" {tuple(record['shape'])}" if "shape" in record else ""
    return f"{record.get('kind') or record['name']}{shape}"
