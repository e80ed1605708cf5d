"""CUDA's compute-sanitizer over the smallest cells of the smoke part: reads and writes out of bounds, races."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from functools import partial

from benchmarks.gpu.part import Item, Tell
from benchmarks.gpu.records import Records
from benchmarks.gpu.smoke import SMALLEST
from benchmarks.gpu.work import CELLS

__all__ = ["find", "items"]

_TOOLS = ("memcheck", "racecheck")
_FOUND = 9
_SECONDS = 60


def items(records: Records) -> Iterable[Item]:
    """Return the tools, each over each cell: under racecheck one takes long."""
    for cell in CELLS:
        for tool in _TOOLS:
            yield Item(f"{tool}, {cell}", partial(_check, records, tool, cell))


def find() -> str | None:
    """Return where the tool is, if it is installed."""
    homes = (os.environ.get("CUDA_PATH"), os.environ.get("CUDA_HOME"), "/usr/local/cuda")
    places = [f"{home}/{folder}" for home in homes if home for folder in ("bin", "compute-sanitizer")]
    return shutil.which("compute-sanitizer") or shutil.which("compute-sanitizer", path=os.pathsep.join(places))


def _check(records: Records, tool: str, cell: str, tell: Tell) -> None:
    program = find()
    if program is None:
        tell(tool=tool, missing="not there: compute-sanitizer is not installed")
        return
    label = f"sanitizer {tool} {cell}"
    part = (
        sys.executable,
        "-m",
        "benchmarks.gpu.part",
        "smoke",
        "--records",
        str(records.path),
        "--label",
        label,
        "--unpooled",
    )
    only = ("--only", f"cell {cell} {SMALLEST}")
    command = (program, "--tool", tool, "--error-exitcode", str(_FOUND), *part, *only)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        tell(tool=tool, cell=cell, missing=f"it took more than {_SECONDS} s")
        return
    print(done.stdout[-6000:], done.stderr[-3000:], sep="\n", flush=True)
    refused = [line for line in done.stdout.splitlines() if "not supported" in line]
    if refused:
        tell(tool=tool, missing=f"not there: {program} says {refused[0].strip('= ')}")
        return
    summary = [line for line in done.stdout.splitlines() if "SUMMARY" in line]
    tell(tool=tool, cell=cell, code=done.returncode, summary=summary[-3:])
    if done.returncode != 0:
        tail = (done.stdout + done.stderr).strip().splitlines()[-1:]
        raise RuntimeError(f"{tool} ended with code {done.returncode}: {' '.join(summary[-1:] or tail)}"[:400])
