"""A picture of the training steps: rivals' times over Lamina's, a column for NumPy and one for the engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.cpu.ratios import ENGINE, OURS, fastest, names_in, ratio
from benchmarks.cpu.tables import TITLES

__all__ = ["draw"]

# Those of a family have colours of a family.
_COLORS = {
    "by hand": "#9a9a9a",
    "pytorch": "#d9722e",
    "pytorch compiled": "#f0b27a",
    "jax": "#3b6fb6",
    "keras": "#86aede",
    "lamina numba": "#3a8f4d",
}
# A column of panels each.
_OURS = {OURS: "NumPy", ENGINE: "engine"}
_TICKS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 7, 10, 20, 50, 100, 200, 500)

Record = dict[str, Any]


def draw(results: dict[str, Any], path: Path) -> bool:
    """Write the picture; tell whether there is anything to draw, and matplotlib to draw it with."""
    runs = [run for run in results["runs"] if run.get("training")]
    if not runs:
        return False
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        return False
    records = [record for run in runs for record in run["training"]]
    ours = [name for name in _OURS if any(name in record["seconds"] for record in records)]
    rows = [(run, kind) for run in runs for kind in dict.fromkeys(record["kind"] for record in run["training"])]
    figure = Figure(figsize=(1 + 5.0 * len(ours), 1.6 + 2.6 * len(rows)), layout="constrained", facecolor="white")
    panels = figure.subplots(len(rows), len(ours), squeeze=False, sharey=True, sharex="col")
    limits = _limits(records, ours)
    for row, (run, kind) in zip(panels, rows, strict=True):
        for axes, name in zip(row, ours, strict=True):
            _panel(axes, [record for record in run["training"] if record["kind"] == kind], name, limits)
            threads = f"{run['threads']} thread{'s' * (run['threads'] > 1)}"
            axes.set_title(f"{kind}, {_OURS[name]}, {threads}", fontsize=11)
        row[0].set_ylabel("time over ours")
    for axes in panels[-1]:
        axes.set_xlabel("(batch, time, features, units)")
    shown = {}
    for axes in panels.flat:
        handles, labels = axes.get_legend_handles_labels()
        shown |= dict(zip(labels, handles, strict=True))
    figure.legend(list(shown.values()), list(shown), loc="outside lower center", ncols=len(shown), frameon=False)
    figure.suptitle(
        f"A training step in float32{_with(results)}: rivals' time over Lamina's\n"
        "on white Lamina is faster, on red the rival; numbers are the fastest rival's"
    )
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "lamina"}):  # the same bytes for the same results
        figure.savefig(path, format="svg", metadata={"Date": None})
    return True


def _with(results: dict[str, Any]) -> str:
    return f", {results['instructions']}" if "instructions" in results else ""


def _others(seconds: dict[str, Any], ours: str) -> list[str]:
    """Return those who are drawn over ours: all but Lamina itself."""
    return [name for name in _COLORS if name in seconds and ours in seconds and name != ours]


def _limits(records: list[Record], ours: list[str]) -> tuple[float, float]:
    values = [
        ratio(record["seconds"], name, own)
        for own in ours
        for record in records
        for name in _others(record["seconds"], own)
    ]
    return min(*values, 0.7, 2.0) / 1.4, max(*values, 0.7, 2.0) * 1.15


def _panel(axes: Any, records: list[Record], ours: str, limits: tuple[float, float]) -> None:
    for name in names_in(records):
        places = [place for place, record in enumerate(records) if name in _others(record["seconds"], ours)]
        if not places:
            continue
        values = [ratio(records[place]["seconds"], name, ours) for place in places]
        style = "--" if name.startswith("lamina") else "-"  # no rival
        axes.plot(places, values, style, color=_COLORS[name], marker="o", linewidth=1.8, label=TITLES[name])
    for place, record in enumerate(records):
        rival = fastest(record["seconds"], ours)
        if rival:
            value = ratio(record["seconds"], rival, ours)
            axes.annotate(
                f"{value:.2f}",
                (place, value),
                xytext=(0, -14),
                textcoords="offset points",
                ha="center",
                fontsize=9,
                fontweight="bold",
                color=_COLORS[rival],
                bbox={"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
                zorder=5,
            )
    axes.set_yscale("log")
    axes.set_ylim(*limits)
    axes.axhline(1, color="#222222", linewidth=1.2)
    axes.axhspan(limits[0], 1, color="#f6dede", alpha=0.6, linewidth=0)
    ticks = [tick for tick in _TICKS if limits[0] <= tick <= limits[1]]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticks([], minor=True)
    shapes = [", ".join(map(str, record["shape"])) for record in records]
    axes.set_xticks(range(len(records)), shapes, rotation=25, ha="right", fontsize=8)
    axes.margins(x=0.12)
    axes.grid(color="#e6e6e6", linewidth=0.8, axis="y")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
