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
from benchmarks.cpu.instructions import instructions
from benchmarks.cpu.plot import draw
from benchmarks.cpu.processes import cores_for
from benchmarks.cpu.report import page
from benchmarks.cpu.targets import targets
from benchmarks.cpu.turns import Company, Pace
from benchmarks.cpu.work import KINDS

__all__ = ["main"]

_SECTIONS = ("training", "ragged", "models", "inference", "epochs", "trainer", "start-up", "memory")
_RESULTS = Path(__file__).resolve().parent.parent / "results"

Results = dict[str, Any]


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    options = _parse(arguments)
    path = options.output / ("cpu-avx2.json" if options.avx2 else "cpu.json")
    if options.redraw:
        _write_page(json.loads(path.read_text()), path)
        return
    for threads in options.threads:
        cores_for(threads)  # refused before the work, not after half of it
    options.output.mkdir(parents=True, exist_ok=True)
    results: Results = {
        "machine": machine(options.avx2),
        "instructions": instructions(options.avx2),
        "quick": options.quick,
        "runs": [],
        "left out": [],
    }
    _tell(", ".join(f"{name} {fact}" for name, fact in results["machine"].items()))
    begun = time.monotonic()
    _run(options, results, path)
    results["minutes"] = (time.monotonic() - begun) / 60
    _write(path, json.dumps(results, indent=1))
    _write_page(results, path)
    print()
    for target in targets(results):
        print(target)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks cpu", description="Time Lamina beside its rivals.")
    add = parser.add_argument
    add("--threads", type=int, nargs="+", default=[1], metavar="N", help="default: 1; each takes a quarter of an hour")
    add("--avx2", action="store_true", help="hold every contestant to AVX2, by its own switch: cpu-avx2.json, ...")
    add("--compiled", action="store_true", help="PyTorch compiled takes part too: ten minutes more")
    add("--only", nargs="+", choices=_SECTIONS, default=_SECTIONS, metavar="SECTION", help=", ".join(_SECTIONS))
    add("--kinds", nargs="+", choices=KINDS, default=KINDS, metavar="KIND", help=", ".join(KINDS))
    add("--shapes", nargs="+", type=_shape, metavar="B,T,F,U", help="of the training steps, ragged ones too")
    add("--quick", action="store_true", help="few and short rounds, to see that all works")
    add("--output", type=Path, default=_RESULTS, metavar="FOLDER", help="of cpu.json, cpu.md and cpu.svg, or cpu-avx2")
    add("--redraw", action="store_true", help="write page and picture anew from cpu.json, and measure nothing")
    return parser.parse_args(arguments)


def _shape(text: str) -> tuple[int, ...]:
    shape = tuple(int(size) for size in text.split(","))
    if len(shape) != 4 or min(shape) < 1:
        raise argparse.ArgumentTypeError(f"expected batch,time,features,units, got {text!r}")
    return shape


def _run(options: argparse.Namespace, results: Results, path: Path) -> None:
    """Run all sections, and write what there is after each record: a long run that is cut short is not lost."""
    kinds, quick = tuple(options.kinds), options.quick

    def keep(records: Iterable[Results], kept: list[Results]) -> None:
        for record in records:
            kept.append(record)
            _write(path, json.dumps(results, indent=1))

    for threads in options.threads:
        run: Results = {"threads": threads}
        results["runs"].append(run)
        with Company(threads, Pace(quick), _tell, options.avx2, options.compiled) as company:
            if "training" in options.only:
                _section("training", threads)
                run["products"] = sections.product_rate(company, quick)
                _tell(f"  large products: {run['products'] / 1e9:.0f} billion operations a second")
                shapes = tuple(options.shapes or sections.SHAPES)
                keep(sections.training(company, _tell, kinds, shapes), run.setdefault("training", []))
                # The machine may have been slower at the beginning.
                run["products"] = max(run["products"], sections.product_rate(company, quick))
            if "ragged" in options.only:
                _section("ragged batches", threads)
                shapes = tuple(options.shapes or sections.RAGGED)
                keep(sections.ragged(company, _tell, kinds, shapes), run.setdefault("ragged", []))
            if "models" in options.only:
                _section("models", threads)
                keep(sections.models(company, _tell), run.setdefault("models", []))
            if "inference" in options.only:
                _section("inference", threads)
                keep(sections.inference(company, _tell, kinds), run.setdefault("inference", []))
            if "epochs" in options.only:
                _section("epochs", threads)
                keep(sections.epochs(company, _tell, quick), run.setdefault("epochs", []))
            if "trainer" in options.only:
                _section("trainer", threads)
                keep(sections.trainer(company, _tell, kinds), run.setdefault("trainer", []))
            results["left out"] += company.left_out
    threads = max(options.threads)
    if "start-up" in options.only:
        _section("start-up", threads)
        found = whole_processes.start_up(threads, _tell, 1 if quick else 3, options.avx2)
        results["start-up"] = {"threads": threads, **found}
    if "memory" in options.only:
        _section("memory", threads)
        records = whole_processes.memory(threads, _tell, kinds, options.avx2)
        results["memory"] = [{"threads": threads, **record} for record in records]
    _write(path, json.dumps(results, indent=1))


def _write_page(results: Results, path: Path) -> None:
    _write(path.with_suffix(".md"), page(results))
    picture = path.with_suffix(".svg")
    made = picture.with_suffix(".partial")
    if draw(results, made):
        os.replace(made, picture)
    else:
        _tell("no picture: it needs training steps and matplotlib (pip install -e '.[plot]')")
    _tell(f"wrote {path.with_suffix('')}.json, .md and .svg")


def _write(path: Path, text: str) -> None:
    """Write a file that is there as a whole or not at all."""
    partial = path.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def _section(name: str, threads: int) -> None:
    _tell(f"{name}, {threads} thread{'s' * (threads > 1)}")


def _tell(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)
