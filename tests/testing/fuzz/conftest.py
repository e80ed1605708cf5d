"""Hostile files, some hundred of them: each is read or refused, in time and in a process of little memory."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

TASKS = ("classify", "tag", "regress", "forecast")
# Seconds that a case may take, and what the process may hold, as bytes of addresses.
SECONDS = 5.0
BYTES = 10**9
PROGRAM = """
import importlib, json, os, resource, sys, time
os.environ["OPENBLAS_NUM_THREADS"] = "1"
import numpy as np
import lamina.cli.data
from lamina.testing.fuzz import {module}
try:
    import pandas
except ImportError:
    pass
begun = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize() if os.path.exists("/proc") else 0
resource.setrlimit(resource.RLIMIT_AS, (begun + {bytes}, begun + {bytes}))
found = []
for number in range({first}, {first} + {count}):
    rng, task = np.random.default_rng(number), {tasks}[number % 4]
    content = {module}.make(rng, *{kind}, task)
    begin = time.perf_counter()
    outcome = {module}.outcome(content, *{kind}, {folder}, task)
    found.append([number, outcome, time.perf_counter() - begin])
print(json.dumps(found))
"""


@pytest.fixture
def trial() -> Callable[..., Counter[str]]:
    """Return what runs a trial."""
    return run


def run(module: str, kind: tuple[str, ...], folder: Path, count: int, first: int = 0) -> Counter[str]:
    """Return how often each outcome came about, after holding each case to its time."""
    values = {"module": module, "kind": kind, "folder": repr(str(folder)), "count": count, "first": first}
    program = PROGRAM.format(**values, tasks=TASKS, bytes=BYTES)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=count * SECONDS)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert [case for case in found if case[1].startswith("failed") or case[2] > SECONDS] == []
    assert done.stderr == ""
    return Counter(outcome for _, outcome, _ in found)
