"""``python tests/faults/hunt.py [KEY ...]``: which faults, put back one at a time, do random models find?

Each runs on a copy of the product, in a process that knows nothing of the fault: ``python -m
lamina.testing.random_models COUNT --seed S``. The product itself comes first, in which nothing may be found.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

from catalogue import Fault, environment, make_copy, read_faults

MODULE = "lamina.testing.random_models"
# What it prints at last: "failed after 12 models: accumulate: ...", or the relation's name with its message before.
FAILED = re.compile(r"failed after (\d+) models?\b[\s:,;(]*(.*)")
SOUND = Fault("sound", "the product as it is", (), "")


class Outcome(NamedTuple):
    """What came of one fault; its status is found, missed, late (no end within the limit) or broken."""

    key: str
    status: str
    models: int | None = None
    told: str = ""
    seconds: float = 0.0

    def __str__(self):
        count = "" if self.models is None else str(self.models)
        return f"{self.key:15s} {self.status:7s} {count:>6s} {self.seconds:7.0f} s  {self.told}"


def read_outcome(key, code, output, seconds=0.0):
    """Return the outcome of a process that ended with a code, from what it printed."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    last = lines[-1] if lines else ""
    if code == 0:
        return Outcome(key, "missed", told=last[:100], seconds=seconds)
    for line in reversed(lines):
        if match := FAILED.search(line):
            # The relation stands first in what is told; where nothing follows, in the line itself or the one before.
            before = lines[lines.index(line) - 1] if lines.index(line) else ""
            told = match[2].strip() or line[: match.start()].strip(" :,;(") or before
            return Outcome(key, "found", int(match[1]), told[:100], seconds)
    return Outcome(key, "broken", told=f"exit code {code}: {last}"[:100], seconds=seconds)


def hunt(fault, models, seed, limit, module=MODULE, logs=None, shrink=True):
    """Put a fault back into a copy, and run the random models on it."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fault-") as folder:
        try:
            copy = make_copy(folder, fault.edits)
        except AssertionError as error:  # the product has changed since
            return Outcome(fault.key, "broken", told=str(error)[:100])
        command = [sys.executable, "-m", module, str(models), "--seed", str(seed), *([] if shrink else ["--no-shrink"])]
        # In this process's group: a Ctrl-C, or what ends this process by `timeout`, reaches all.
        options = {"env": environment(copy), "cwd": copy, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        try:
            done = subprocess.run(command, timeout=limit, check=False, **options)
        except subprocess.TimeoutExpired as error:
            output = (error.stdout or b"").decode(errors="replace")
            outcome = Outcome(fault.key, "late", seconds=time.monotonic() - started)
        else:
            output = done.stdout.decode(errors="replace")
            outcome = read_outcome(fault.key, done.returncode, output, time.monotonic() - started)
        if logs is not None:
            Path(logs, f"{fault.key}.txt").write_text(output)
        return outcome


def table(outcomes, faults):
    """Return the lines that sum up what was found, of the named faults and of the others."""
    lines = []
    for name, named in (("named", True), ("own", False)):
        own = [one for one in outcomes if (faults[one.key].number is not None) is named]
        found = [one for one in own if one.status == "found"]
        total = sum((fault.number is not None) is named for fault in faults.values())
        most = max((one.models for one in found), default=0)
        lines.append(f"{name}: {len(found)} of {total} found, {len(own)} tried, after {most} models at most")
        left = [f"{one.key} ({one.status})" for one in own if one.status != "found"]
        lines += [f"  not found: {', '.join(left)}"] if left else []
    return lines


def main(arguments=None):
    """Run the hunt; exit code 1 where the product itself does not hold, or a run broke."""
    faults = read_faults()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("keys", nargs="*", metavar="KEY", help="a fault's key, or its beginning; all if none is given")
    parser.add_argument("--models", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="how many run at once")
    parser.add_argument("--limit", type=float, default=3600, help="seconds for each")
    parser.add_argument("--sound-models", type=int, help="for the product itself, first; as many if not given, 0: none")
    parser.add_argument("--module", default=MODULE, help="what is run with python -m in place of the random models")
    parser.add_argument("--no-shrink", action="store_true", help="leave models that fail as they are: that is faster")
    parser.add_argument("--logs", help="a folder for what each prints")
    given = parser.parse_args(arguments)
    if given.logs:
        Path(given.logs).mkdir(parents=True, exist_ok=True)
    wanted = [one for one in faults.values() if not given.keys or one.key.startswith(tuple(given.keys))]
    if not wanted:
        parser.error(f"no fault is called {', '.join(given.keys)}; there are {', '.join(faults)}")
    options = given.seed, given.limit, given.module, given.logs, not given.no_shrink
    count = given.models if given.sound_models is None else given.sound_models
    if count:
        sound = hunt(SOUND, count, *options)
        holds = sound.status == "missed"
        print(sound._replace(status="holds") if holds else sound, flush=True)
        if not holds:
            return 1
    outcomes = []
    with ThreadPoolExecutor(given.jobs) as pool:
        for done in as_completed([pool.submit(hunt, fault, given.models, *options) for fault in wanted]):
            outcomes.append(done.result())
            print(outcomes[-1], flush=True)
    print()
    order = list(faults)
    for outcome in sorted(outcomes, key=lambda one: order.index(one.key)):
        print(f"{outcome}  # {faults[outcome.key].does}")
    print("\n".join(table(outcomes, faults)))
    return int(any(one.status == "broken" for one in outcomes))


if __name__ == "__main__":
    sys.exit(main())
