"""``pytest -m gpu``: the proofs, on the GPU, in eight processes where pytest-xdist is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from benchmarks.gpu import outcomes
from benchmarks.gpu.part import Item, Tell
from benchmarks.gpu.records import Records
from benchmarks.gpu.rehearsal import sized

__all__ = ["folders", "items"]

_ROOT = Path(__file__).resolve().parents[2]
_OPTIONS = ("-m", "gpu", "-q", "--tb=short", "-p", "no:cacheprovider", "-p", "benchmarks.gpu.outcomes")
#: Warnings of CuPy's or the driver's are no failures of ours.
_WARNINGS = ("-o", "filterwarnings=default")


def items(records: Records) -> Iterable[Item]:
    """Return the one thing to do."""
    return [Item("pytest -m gpu", partial(_run, records))]


def folders() -> list[str]:
    """Return the folders of tests that have marked ones: others need not be imported, nor what they need be there."""
    marked = {
        str(path.parent.relative_to(_ROOT))
        for path in sorted((_ROOT / "tests").rglob("*.py"))
        if "pytest.mark.gpu" in path.read_text(encoding="utf-8")
    }
    return sorted(one for one in marked if not one.startswith("tests/benchmarks"))


def _run(records: Records, tell: Tell) -> None:
    if find_spec("pytest") is None:
        tell(missing="not there: pytest is not installed")
        return
    parallel = ("-n", sized("8", "2")) if find_spec("xdist") else ()
    if not parallel:
        tell(missing="not there: pytest-xdist is not installed, so one process runs all")
    chosen = sized((), ("-k", "(test_case and (SGD-momentum or Huber or LSTM-state)) or (test_layers and lstm)"))
    command = (sys.executable, "-m", "pytest", *folders(), *_OPTIONS, *_WARNINGS, *parallel, *chosen)
    environment = os.environ | {outcomes.VARIABLE: str(records.path)}
    code = subprocess.run(command, cwd=_ROOT, env=environment).returncode
    tell(command=" ".join(command[1:]), code=code)
    if code != 0:
        raise AssertionError(f"pytest ended with code {code}")
    if not any(record.get("outcome") == "passed" for record in records.read("conformance")):
        raise AssertionError("no test passed")
