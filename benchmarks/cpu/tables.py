"""Tables of Markdown, made of records of seconds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.cpu.ratios import ENGINE, OURS, fastest, median, names_in, ratio

__all__ = ["TITLES", "ratios", "summary", "table", "time_of"]

TITLES = {
    "lamina": "Lamina",
    "lamina engine": "Lamina's engine",
    "lamina numba": "Lamina on numba",
    "trainer": "Trainer",
    "by hand": "NumPy by hand",
    "pytorch": "PyTorch",
    "pytorch compiled": "PyTorch compiled",
    "jax": "JAX",
    "keras": "Keras on JAX",
    "onnx runtime": "ONNX Runtime",
}
_SHORT = {"keras": "Keras"}

Record = dict[str, Any]


def ratios(heads: Sequence[str], shown: Iterable[Sequence[str]], records: list[Record]) -> list[str]:
    """Return a table of records, a row each: what is shown of it, and each of ours with the fastest rival over it.

    Then come the others' times over Lamina's on NumPy.
    """
    with_engine = any(ENGINE in record["seconds"] for record in records)
    names = [name for name in names_in(records) if name != ENGINE]
    rows = []
    for cells, record in zip(shown, records, strict=True):
        seconds = record["seconds"]
        ours = [_time(seconds, OURS), _fastest(seconds, OURS)]
        if with_engine:
            ours += [_time(seconds, ENGINE), _fastest(seconds, ENGINE)]
        others = [f"{ratio(seconds, name):.2f}" if name in seconds else "" for name in names]
        rows.append([*cells, *ours, *others])
    own = [TITLES[OURS], "fastest rival"] + [TITLES[ENGINE], "fastest rival over it"] * with_engine
    return table([*heads, *own, *(TITLES[name] for name in names)], rows)


def summary(records: list[Record]) -> list[str]:
    """Return the table of training steps, a row for each shape: for each kind a column for NumPy and the engine."""
    kinds = list(dict.fromkeys(record["kind"] for record in records))
    shapes = list(dict.fromkeys(tuple(record["shape"]) for record in records))
    found = {(record["kind"], tuple(record["shape"])): record["seconds"] for record in records}
    rows = []
    for shape in shapes:
        cells = [str(shape)]
        for kind in kinds:
            seconds = found.get((kind, shape), {})
            for ours in (OURS, ENGINE):
                rival = fastest(seconds, ours)
                cells.append(f"{ratio(seconds, rival, ours):.2f} {_SHORT.get(rival, TITLES[rival])}" if rival else "")
        rows.append(cells)
    heads = [f"{kind}: {title}" for kind in kinds for title in ("NumPy", "engine")]
    return table(["(batch, time, features, units)", *heads], rows)


def _time(seconds: dict[str, list[float]], name: str) -> str:
    return time_of(median(seconds, name)) if name in seconds else ""


def _fastest(seconds: dict[str, list[float]], ours: str) -> str:
    rival = fastest(seconds, ours)
    return f"**{ratio(seconds, rival, ours):.2f}** {TITLES[rival]}" if rival else ""


def time_of(seconds: float) -> str:
    """Return seconds in words."""
    if seconds >= 1:
        return f"{seconds:.3g} s"
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.3g} µs"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table, and an empty one."""
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return [*lines, *("| " + " | ".join(row) + " |" for row in rows), ""]
