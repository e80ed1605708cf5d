"""A plug-in of pytest's: records each outcome at once, and leaves a process to which the GPU is lost."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from benchmarks.gpu.records import Records

__all__ = ["VARIABLE", "pytest_runtest_logreport", "pytest_runtest_teardown"]

#: The environment variable that names the file of records.
VARIABLE = "LAMINA_GPU_RECORDS"

_PART, _ITEM = "conformance", "pytest -m gpu"


def pytest_runtest_logreport(report: Any) -> None:
    """Record an outcome; with several processes, in the one that they report to."""
    if "PYTEST_XDIST_WORKER" in os.environ or not (report.when == "call" or report.outcome != "passed"):
        return
    facts = {"test": report.nodeid, "outcome": report.outcome, "seconds": round(report.duration, 3)}
    if report.outcome == "failed":
        lines = report.longreprtext.strip().splitlines() or ["no reason"]
        told = [line.removeprefix("E").strip() for line in lines if line.startswith("E  ")]
        facts["error"] = (told or lines[-1:])[0][:500]
    if report.outcome == "skipped":
        facts["reason"] = str(report.longrepr)[-300:]
    Records(Path(os.environ[VARIABLE])).write(_PART, "row", _ITEM, **facts)


def pytest_runtest_teardown() -> None:
    """End a worker to which the GPU is lost: another takes its place, and the tests that follow do not fail with it."""
    cupy: Any = sys.modules.get("cupy")
    if cupy is None or "PYTEST_XDIST_WORKER" not in os.environ:
        return
    try:
        cupy.cuda.get_current_stream().synchronize()
    except Exception:
        os._exit(1)
