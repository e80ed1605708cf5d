"""``python -m benchmarks cpu``: runs the sections, tells how they go, and writes what was found."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.cpu import sections, whole_processes
from benchmarks.cpu.facts import machine
from benchmarks.cpu.plot import draw
from benchmarks.cpu.processes import cores_for, usable_cores
from benchmarks.cpu.report import page
from benchmarks.cpu.targets import targets
from benchmarks.cpu.turns import Company, Pace
from benchmarks.cpu.work import KINDS

__all__ = ["main"]

_SECTIONS = ("training", "inference", "epochs", "trainer", "start-up", "memory")
_RESULTS = Path(__file__).resolve().parent.parent / "results"

Results = dict[str, Any]


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    options = _parse(arguments)
    if options.redraw:
        _write_page(json.loads((options.output / "cpu.json").read_text()), options.output)
        return
    for threads in options.threads:
        cores_for(threads)  # refused before the work, not after half of it
    options.output.mkdir(parents=True, exist_ok=True)
    results: Results = {"machine": machine(), "quick": options.quick, "runs": [], "left out": []}
    _tell(", ".join(f"{name} {fact}" for name, fact in results["machine"].items()))
    _run(options, results)
    _write_page(results, options.output)
    print()
    for target in targets(results):
        print(target)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks cpu", description="Time Lamina beside its rivals.")
    add, usable = parser.add_argument, len(usable_cores())
    add("--threads", type=int, nargs="+", default=[1, 2][:usable], metavar="N", help="default: %(default)s")
    add("--only", nargs="+", choices=_SECTIONS, default=_SECTIONS, metavar="SECTION", help=", ".join(_SECTIONS))
    add("--kinds", nargs="+", choices=KINDS, default=KINDS, metavar="KIND", help=", ".join(KINDS))
    add("--shapes", nargs="+", type=_shape, default=sections.SHAPES, metavar="B,T,F,U", help="of the training steps")
    add("--quick", action="store_true", help="few and short rounds, to see that all works")
    add("--output", type=Path, default=_RESULTS, metavar="FOLDER", help="of cpu.json, cpu.md and cpu.svg")
    add("--redraw", action="store_true", help="write page and picture anew from cpu.json, and measure nothing")
    return parser.parse_args(arguments)


def _shape(text: str) -> tuple[int, ...]:
    shape = tuple(int(size) for size in text.split(","))
    if len(shape) != 4 or min(shape) < 1:
        raise argparse.ArgumentTypeError(f"expected batch,time,features,units, got {text!r}")
    return shape


def _run(options: argparse.Namespace, results: Results) -> None:
    """Run all sections, and write what there is after each record: a long run that is cut short is not lost."""
    kinds, quick = tuple(options.kinds), options.quick

    def keep(records: Iterable[Results], kept: list[Results]) -> None:
        for record in records:
            kept.append(record)
            _write(options.output / "cpu.json", json.dumps(results, indent=1))

    for threads in options.threads:
        run: Results = {"threads": threads}
        results["runs"].append(run)
        with Company(threads, Pace(quick), _tell) as company:
            if "training" in options.only:
                _section("training", threads)
                run["products"] = sections.product_rate(company, quick)
                _tell(f"  large products: {run['products'] / 1e9:.0f} billion operations a second")
                shapes = tuple(options.shapes)
                keep(sections.training(company, _tell, kinds, shapes), run.setdefault("training", []))
                # The machine may have been slower at the beginning.
                run["products"] = max(run["products"], sections.product_rate(company, quick))
            if "inference" in options.only:
                _section("inference", threads)
                keep(sections.inference(company, _tell, kinds), run.setdefault("inference", []))
            if "epochs" in options.only:
                _section("epochs", threads)
                keep(sections.epochs(company, _tell, quick), run.setdefault("epochs", []))
            if "trainer" in options.only:
                _section("trainer", threads)
                keep(sections.trainer(company, _tell), run.setdefault("trainer", []))
            results["left out"] += company.left_out
    threads = max(options.threads)
    if "start-up" in options.only:
        _section("start-up", threads)
        found = whole_processes.start_up(threads, _tell, rounds=1 if quick else 5)
        results["start-up"] = {"threads": threads, **found}
    if "memory" in options.only:
        _section("memory", threads)
        records = whole_processes.memory(threads, _tell, kinds)
        results["memory"] = [{"threads": threads, **record} for record in records]
    _write(options.output / "cpu.json", json.dumps(results, indent=1))


def _write_page(results: Results, output: Path) -> None:
    _write(output / "cpu.md", page(results))
    picture = output / "cpu.svg"
    made = picture.with_suffix(".partial")
    if draw(results, made):
        os.replace(made, picture)
    else:
        _tell("no picture: it needs training steps and matplotlib (pip install -e '.[plot]')")
    _tell(f"wrote {output}")


def _write(path: Path, text: str) -> None:
    """Write a file that is there as a whole or not at all."""
    partial = path.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def _section(name: str, threads: int) -> None:
    _tell(f"{name}, {threads} thread{'s' * (threads > 1)}")


def _tell(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)
