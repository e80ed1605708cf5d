"""The results as a page of Markdown, made from what is in the JSON file alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.cpu.ratios import OURS, names_in
from benchmarks.cpu.tables import TITLES, ratios, summary, table
from benchmarks.cpu.target import Target
from benchmarks.cpu.targets import share, targets

__all__ = ["page"]

Results = dict[str, Any]


def page(results: Results) -> str:
    """Return the page."""
    facts = ", ".join(f"{name} {fact}" for name, fact in results["machine"].items())
    lines = ["# Lamina beside its rivals on a CPU", "", f"{facts}.", ""]
    if results["quick"]:
        lines += ["**A quick run, to see that all works: its figures are rough.**", ""]
    lines += [
        "A column of a contestant's name is its time over Lamina's (median of the ratios of interleaved rounds):",
        "above 1, Lamina is faster. Lamina runs on NumPy; its engine, and the kernels in the column of numba, on the",
        "backend of that name. \"fastest rival\" is that one's time over Lamina's on NumPy, then over the engine's.",
        "All is float32.",
        "",
    ]
    if results.get("instructions") == "AVX-512":
        lines += ["What the engine must reach was promised for AVX2: `python -m benchmarks cpu --avx2`.", ""]
    if "minutes" in results:
        lines += [f"The run took {results['minutes']:.1f} minutes.", ""]
    for note in results.get("notes", ()):  # such as: which rows are of another run
        lines += [note, ""]
    for run in results["runs"]:
        lines += _run(run)
    lines += _start_up(results) + _memory(results)
    found = targets(results)
    if found:
        reached = sum(target.holds for target in found)
        heads = ("", "needed", "found", "")
        lines += [f"## Targets: {reached} of {len(found)} hold", "", *table(heads, map(_cells, found))]
    lines += _left_out(results)
    return "\n".join(lines).rstrip() + "\n"


def _cells(target: Target) -> Sequence[str]:
    bound = "≥" if target.at_least else "≤"
    needed, found = f"{bound} {target.needed:.3g}{target.unit}", f"{target.found:.3g}{target.unit}"
    return target.what, needed, found, "holds" if target.holds else "**missed**"


def _run(run: Results) -> list[str]:
    lines = [f"## {run['threads']} thread{'s' * (run['threads'] > 1)}", ""]
    rate = run.get("products")
    if rate:
        lines += [f"Large square products of float32 in NumPy: {rate / 1e9:.0f} billion operations a second.", ""]
    training = run.get("training", [])
    if training:
        lines += ["### A training step: the fastest rival's time over ours", "", *summary(training)]
    for kind in dict.fromkeys(record["kind"] for record in training):
        records = [record for record in training if record["kind"] == kind]
        heads = ["(batch, time, features, units)"]
        shown = [[str(tuple(record["shape"]))] for record in records]
        if rate:
            heads += ["share of the products' rate"]
            shown = [[*cells, f"{share(record, rate):.2f}"] for cells, record in zip(shown, records, strict=True)]
        lines += [f"### A training step, {kind}", "", *ratios(heads, shown, records)]
    records = run.get("ragged", [])
    if records:
        shown = [[record["kind"], str(tuple(record["shape"]))] for record in records]
        lines += ["### A training step over ragged batches", "", "Lengths from 5 to the time.", ""]
        lines += ratios(["layer", "(batch, time, features, units)"], shown, records)
    records = run.get("models", [])
    if records:
        shown = [[record["name"], str(tuple(record["shape"]))] for record in records]
        lines += ["### A training step of a model, a label each step", ""]
        lines += ratios(["model", "(batch, time, units)"], shown, records)
    records = run.get("inference", [])
    if records:
        shown = [[record["kind"], str(record["time"]), str(record["units"])] for record in records]
        lines += ["### Inference at batch 1", "", *ratios(["layer", "time", "units"], shown, records)]
    records = run.get("epochs", [])
    if records:
        lines += ["### An epoch", "", *ratios([""], [[record["name"]] for record in records], records)]
    records = run.get("trainer", [])
    if records:
        shown = [[record.get("kind", "SimpleRNN"), str(tuple(record["shape"]))] for record in records]
        lines += ["### A step in a loop", ""]
        lines += ["Lamina's is written out; the engine's is `Trainer`'s without a metric; rivals' go over batches that"]
        lines += ["lie ready.", "", *ratios(["layer", "(batch, time, features, units)"], shown, records)]
    return lines


def _start_up(results: Results) -> list[str]:
    record = results.get("start-up")
    if not record or OURS not in record["seconds"]:
        return []
    shape = f"{record['kind']} {tuple(record['shape'])}"
    lines = ["## From the start of Python to the end of a first trained batch", "", f"Whole processes, {shape}.", ""]
    return lines + ratios(["threads"], [[str(record["threads"])]], [record])


def _memory(results: Results) -> list[str]:
    records = results.get("memory", [])
    if not records:
        return []
    shape, threads = tuple(records[0]["shape"]), records[0]["threads"]
    lines = [f"## Memory of training {shape}", "", f"MB at most of a whole process, and since the import; {threads}"]
    lines[-1] += f" thread{'s' * (threads > 1)}."
    names = [OURS, *names_in(records, "bytes")]
    rows = []
    for record in records:
        cells = [record["kind"]]
        for name in names:
            one = record["bytes"].get(name)
            cells.append(f"{one['most'] / 1e6:.0f}, {(one['most'] - one['imported']) / 1e6:.0f}" if one else "")
        rows.append(cells)
    return [*lines, "", *table(["", *(TITLES[name] for name in names)], rows)]


def _left_out(results: Results) -> list[str]:
    """Say who was left out, of what; the same reason once."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for one in results["left out"]:
        works = reasons.setdefault((TITLES.get(one["contestant"], one["contestant"]), one["reason"]), [])
        if one["work"] not in works:
            works.append(one["work"])
    if not reasons:
        return []
    lines = [f"- {name}: {', '.join(works)}: {reason}" for (name, reason), works in reasons.items()]
    return ["## Left out", "", *lines]
