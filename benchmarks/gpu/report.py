"""A run as a page of Markdown, made from its records alone."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.gpu.precision import AGREEMENT, TOLERANCES
from benchmarks.gpu.records import Record

__all__ = ["page", "shown_failures"]

_OURS = "lamina"
_TITLES = {
    "lamina": "Lamina",
    "pytorch": "PyTorch",
    "pytorch graph": "PyTorch, graph",
    "pytorch bfloat16": "PyTorch, bfloat16 weights",
    "pytorch bfloat16 graph": "PyTorch, bfloat16 weights, graph",
}
_PRECISIONS = {
    "fp32": "strict float32 on both sides",
    "tf32": "TF32 on both sides",
    "bf16": "bfloat16: Lamina's, beside PyTorch under autocast and with bfloat16 weights",
}


def page(records: list[Record]) -> str:
    """Return the page."""
    run = next((record for record in records if record["kind"] == "run"), {})
    lines = ["# Lamina on a GPU", ""]
    if run.get("rehearsal", True):
        lines += ["**A rehearsal on a stand-in, without a GPU: none of its figures is a GPU's.**", ""]
    if run:
        lines += [f"Begun {run['began']}, {run['budget']:.0f} s at most.", ""]
    rows = [record for record in records if record["kind"] == "row"]
    lines += _facts(rows) + _parts(records) + _smoke(rows) + _conformance(rows) + _training(rows)
    lines += _side_by_side(rows) + _sanitizer(rows) + _failures(records)
    return "\n".join(lines).rstrip() + "\n"


def shown_failures(records: Iterable[Record]) -> list[str]:
    """Return a line of each thing that failed."""
    lines = []
    for record in records:
        if record["kind"] == "error":
            lines.append(f"{record['part']}, {record.get('item', 'all')}: {record['error']}")
        elif record.get("outcome") == "failed":
            lines.append(f"{record['test']}: {record['error']}")
    return lines


def _facts(rows: list[Record]) -> list[str]:
    lines = [
        f"- {row['item']}: " + ", ".join(f"{name} {value}" for name, value in row["facts"].items())
        for row in rows
        if row["part"] == "facts"
    ]
    return ["## Where it ran", "", *lines, ""] if lines else []


def _parts(records: list[Record]) -> list[str]:
    """Tell how each part ended, also those that a run that was killed did not come to."""
    planned = [name for record in records if record["kind"] == "run" for name in record["parts"]]
    ended = {
        record["part"]: (record["ended"], f"{record['seconds']:.0f} s")
        for record in records
        if record["kind"] == "part"
    }
    begun = {record["part"] for record in records}
    lines = [(name, *ended.get(name, ("cut off" if name in begun else "not run", ""))) for name in planned]
    return ["## Parts", "", *_table(("part", "ended", "took"), lines)] if lines else []


def _smoke(rows: list[Record]) -> list[str]:
    own = [row for row in rows if row["part"] == "smoke"]
    lines = ["## What things cost", ""] if own else []
    for row in own:
        if "cache" in row:
            took = ", ".join(f"{what} {_time(seconds)}" for what, seconds in row["seconds"].items())
            lines += [f"A new process, CuPy's cache of compiled kernels {row['cache']}: {took}.", ""]
    costs = [
        (row["cost"], row["missing"], "") if "missing" in row
        else (row["cost"], _time(row["host_microseconds"] / 1e6), _time(row["microseconds"] / 1e6))
        for row in own if "cost" in row
    ]  # fmt: skip
    if costs:
        lines += _table(("", "until the host goes on", "until the device is done"), costs)
    compared = [row for row in own if "held" in row]
    if compared:
        lines += ["## Beside NumPy in float64", ""]
        for precision, bound in TOLERANCES.items():
            found = [row for row in compared if row["precision"] == precision]
            if found:
                worst = max(found, key=lambda row: row["worst"])
                held = sum(row["held"] for row in found)
                lines.append(
                    f"- {precision}: {held} of {len(found)} within {bound:.0e}; "
                    f"worst {worst['worst']:.1e}, {worst['item']}, {worst['of']}"
                )
        lines += [*_never_called(own), ""]
    return lines


def _never_called(own: list[Record]) -> list[str]:
    listed = next((row["own"] for row in own if "own" in row), None)
    if listed is None:
        return []
    called = {name for row in own for name in row.get("calls", {})}
    never = [name for name in listed if name not in called]
    line = f"- {len(listed) - len(never)} of the backend's {len(listed)} own functions were called"
    return [line + (f"; never: {', '.join(never)}" if never else "")]


def _conformance(rows: list[Record]) -> list[str]:
    own = [row for row in rows if row["part"] == "conformance"]
    outcomes = [row["outcome"] for row in own if "outcome" in row]
    if not own:
        return []
    counts = ", ".join(f"{outcomes.count(name)} {name}" for name in ("passed", "failed", "skipped"))
    missing = [f"; {row['missing']}" for row in own if "missing" in row]
    return ["## pytest -m gpu", "", f"{counts}{''.join(missing)}.", ""]


def _training(rows: list[Record]) -> list[str]:
    own = [row for row in rows if row["part"] == "training"]
    if not own:
        return []
    shown = [
        (row.get("cell", ""), row["backend"], row.get("precision", ""),
         *((row["missing"], "") if "missing" in row else (f"{row['accuracy']:.1%}", _time(row["seconds"]))))
        for row in own
    ]  # fmt: skip
    heads = ("cell", "backend", "Trainer's precision", "test accuracy", "took")
    return ["## Japanese vowels, trained", "", *_table(heads, shown)]


def _side_by_side(rows: list[Record]) -> list[str]:
    own = [row for row in rows if row["part"] == "side by side"]
    if not own:
        return []
    lines = ["## Beside torch.nn.RNN, LSTM and GRU", ""]
    lines += [
        "Medians; beside PyTorch's, in brackets, its median over Lamina's: above 1, Lamina is faster. As many features",
        "as units, one layer, one direction and full rows, unless said. A step is forward, loss, backward and SGD.",
        "`*`: the host took the time. `≠`: the results differ by more than the precision explains.",
        "",
    ]
    notes: dict[str, list[str]] = {}
    for precision, title in _PRECISIONS.items():
        for mode in ("forward", "step"):
            found = [row for row in own if (row["precision"], row["mode"]) == (precision, mode)]
            if found:
                lines += [f"### {'Forward' if mode == 'forward' else 'A training step'}, {title}", ""]
                lines += _comparison(found, notes)
    if notes:
        lines += ["### Missing, and why", ""]
        lines += [f"- {reason}: {', '.join(dict.fromkeys(where))}" for reason, where in notes.items()] + [""]
    return lines


def _comparison(found: list[Record], notes: dict[str, list[str]]) -> list[str]:
    present = {name for row in found for name in (*row["seconds"], *row["missing"])}
    names = [name for name in _TITLES if name in present and name != _OURS]
    rows = []
    for row in found:
        cells = [row["cell"], str(tuple(row["shape"])) + (f", {row['variant']}" if row["variant"] else "")]
        for name in (_OURS, *names):
            reason = row["missing"].get(name)
            if reason is not None:
                what = f"{_TITLES[name]}, {row['precision']}, {row['mode']}"
                where = what if reason.startswith("not there") else f"{what}, {row['item']}"
                notes.setdefault(reason, []).append(where)
            cells.append(_cell(row, name))
        cells.append(", ".join(row["dtype"].values()))
        rows.append(cells)
    heads = ["cell", "(batch, time, units)", *(_TITLES[name] for name in (_OURS, *names)), "PyTorch's outputs"]
    return _table(heads, rows)


def _cell(row: Record, name: str) -> str:
    times = row["seconds"].get(name)
    if not times:
        return "missing" if name in row["missing"] else "not measured"
    median = statistics.median(times)
    mark = "*" if statistics.median(row["host"][name]) > 0.9 * median else ""
    text = _time(median) + mark
    ours = row["seconds"].get(_OURS)
    if name != _OURS and ours:
        text += f" ({median / statistics.median(ours):.2f})"
    _, error = row["difference"].get(name, ("", 0.0))
    return text if error <= AGREEMENT[row["precision"]] else text + f" ≠ {error:.0e}"


def _sanitizer(rows: list[Record]) -> list[str]:
    own = [row for row in rows if row["part"] == "sanitizer"]
    lines = []
    for row in own:
        said = row.get("missing") or f"code {row['code']}; {'; '.join(line.strip('= ') for line in row['summary'])}"
        lines.append(f"- {row['tool']}{', ' + row['cell'] if 'cell' in row else ''}: {said}")
    return ["## compute-sanitizer", "", *dict.fromkeys(lines), ""] if lines else []


def _failures(records: list[Record]) -> list[str]:
    failed = shown_failures(records)
    return ["## Failed", "", *(f"- {line}" for line in failed), ""] if failed else []


def _time(seconds: float) -> str:
    if seconds >= 1:
        return f"{seconds:.3g} s"
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.3g} µs"


def _table(heads: Sequence[Any], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return [*lines, *("| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in rows), ""]
