"""``python -m benchmarks gpu``: one run on a machine with a GPU, the most valuable part first, within a budget."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType
from typing import Any

from benchmarks.gpu import rehearsal
from benchmarks.gpu.processes import Part, run_part
from benchmarks.gpu.records import Record, Records
from benchmarks.gpu.report import page, shown_failures

__all__ = ["NO_GPU", "PARTS", "main"]

#: The exit code where there is no GPU to measure.
NO_GPU = 2

PARTS = (
    Part("facts", 60, 50),
    Part("smoke", 120, 60),
    Part("conformance", 130, 60),
    Part("training", 50, 45),
    Part("side by side", 130, 60, stretches=True),
    Part("sanitizer", 50, 48),
)

_RESULTS = Path(__file__).resolve().parent.parent / "results"
_RUN = "runs/gpu"
# Below it a part is not worth its start.
_LEAST = 8.0


def main(arguments: list[str] | None = None) -> None:
    """Run the command.

    Raises
    ------
    SystemExit
        With 2 where there is no GPU, with 1 where something failed.
    """
    options = _parse(arguments)
    if options.table:
        raise SystemExit(_finish(Records(options.table / "run.jsonl"), options.table))
    if not options.rehearse:
        lacking = _lacking()
        if lacking:
            print(f"python -m benchmarks gpu: {lacking}", file=sys.stderr)
            raise SystemExit(NO_GPU)
    options.output.mkdir(parents=True, exist_ok=True)
    records = Records(options.output / "run.jsonl")
    for path in (records.path, options.output / "run.log"):
        path.unlink(missing_ok=True)
    signal.signal(signal.SIGTERM, _interrupt)
    cache = tempfile.mkdtemp(prefix="lamina-cupy-")
    try:
        _run(options, records, cache)
    except KeyboardInterrupt:
        records.write("run", "error", error="interrupted")
        _tell("interrupted: what was found is kept")
    finally:
        shutil.rmtree(cache, ignore_errors=True)
    raise SystemExit(_finish(records, options.output))


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks gpu", description="One run on a machine with a GPU.")
    add, names = parser.add_argument, [part.name for part in PARTS]
    add("--only", nargs="+", choices=names, default=names, metavar="PART", help=", ".join(names))
    add("--budget", type=float, default=540, metavar="SECONDS", help="of the whole run (default: %(default)s)")
    add("--output", type=Path, default=Path(_RUN), metavar="FOLDER", help="of run.jsonl, run.log and the table")
    add("--table", type=Path, metavar="FOLDER", help="make the table of a run from its run.jsonl, and measure nothing")
    add("--rehearse", action="store_true", help="all parts at tiny sizes, on the tests' stand-in for CuPy: no GPU")
    return parser.parse_args(arguments)


def _lacking() -> str:
    """Return what is missing for a run, or nothing."""
    import lamina
    from lamina.errors import BackendError

    try:
        lamina.get_backend("cupy")
    except BackendError as error:
        return str(error)
    except Exception as error:  # a broken installation may fail in any way
        return f"CuPy cannot run: {type(error).__name__}: {error}".replace("\n", " ")
    return ""


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _run(options: argparse.Namespace, records: Records, cache: str) -> None:
    start = time.monotonic()
    environment = rehearsal.environment(options.rehearse) | {"CUPY_CACHE_DIR": cache}
    chosen = [part for part in PARTS if part.name in options.only]
    facts = {"rehearsal": options.rehearse, "budget": options.budget, "parts": [part.name for part in chosen]}
    records.write("run", "run", began=time.strftime("%Y-%m-%d %H:%M"), **facts)
    for place, part in enumerate(chosen):
        left = options.budget - (time.monotonic() - start)
        seconds = min(part.seconds, left)
        if part.stretches:
            seconds = max(seconds, left - sum(later.seconds for later in chosen[place + 1 :]))
        if seconds < _LEAST:
            records.write(part.name, "part", ended=f"not run: {max(left, 0):.0f} s were left", seconds=0)
            _tell(f"{part.name}: no time left")
            continue
        _tell(f"{part.name}, {seconds:.0f} s at most")
        command = [sys.executable, "-m", "benchmarks.gpu.part", part.name, "--records", str(records.path.resolve())]
        log = options.output / "run.log"
        begun = time.monotonic()
        with log.open("a") as printed:
            printed.write(f"\n===== {part.name}\n")
        ended = run_part(part, command, records, log, seconds, environment, _tell)
        taken = time.monotonic() - begun
        records.write(part.name, "part", ended=ended, seconds=round(taken, 1))
        failed = shown_failures(records.read(part.name))
        for line in failed[:12]:
            _tell(f"  {line}")
        _tell(f"  {ended}, {taken:.0f} s" + (f", {len(failed)} failed" if failed else ""))
        if ended != "done" and log.exists():
            _tell(f"  it printed last: {log.read_text(errors='replace').strip().splitlines()[-1][:300]}")
        _write(records, options.output)


def _finish(records: Records, output: Path) -> int:
    """Write table and results, beside the run and, of a real GPU, among the results; return the exit code."""
    found = records.read()
    if not found:
        print(f"python -m benchmarks gpu: {records.path} holds no records", file=sys.stderr)
        return 1
    written = _write(records, output)
    print(page(found))
    if not _rehearsed(found):
        for path in written:
            shutil.copy(path, _RESULTS / path.name)
            written = [*written, _RESULTS / path.name]
    _tell("wrote " + ", ".join(map(str, written)))
    unfinished = [record for record in found if record["kind"] == "part" and record["ended"] != "done"]
    failures = shown_failures(found)
    if _rehearsed(found):
        failures += _unexpected(found)
    for line in failures:
        _tell(f"failed: {line}")
    return 1 if failures or unfinished else 0


def _write(records: Records, output: Path) -> list[Path]:
    """Write what there is so far; return where."""
    found = records.read()
    name = _name(found)
    results = [record for record in found if record["kind"] != "begin" and record.get("outcome") != "passed"]
    paths = [output / f"{name}.json", output / f"{name}.md"]
    lines = ",\n".join(json.dumps(record) for record in results)
    for path, text in zip(paths, (f"[\n{lines}\n]\n", page(found)), strict=True):
        partial = path.with_suffix(".partial")
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)
    return paths


def _name(found: list[Record]) -> str:
    """Return ``gpu-`` and the GPU's name, as a file is called."""
    if _rehearsed(found):
        return "gpu-rehearsal"
    facts: dict[str, Any] = {}
    for record in found:
        facts |= record.get("facts", {})
    device = re.sub(r"^GPU 0: ", "", facts.get("devices", "unknown")).partition(",")[0]
    return "gpu-" + re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-")


def _rehearsed(found: list[Record]) -> bool:
    return not any(record["kind"] == "run" and record["rehearsal"] is False for record in found)


def _unexpected(found: list[Record]) -> list[str]:
    """Return what is missing otherwise than because it is not there: a rehearsal has found a fault of the parts."""
    reasons = []
    for record in found:
        missing = record.get("missing", {})
        each = missing if isinstance(missing, dict) else {record.get("cost", "it"): missing}
        for name, reason in each.items():
            if not reason.startswith(("not there", "NotImplementedError: the stand-in has no")):
                reasons.append(f"{record['part']}, {record.get('item')}: {name}: {reason}")
    return reasons


def _tell(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)
