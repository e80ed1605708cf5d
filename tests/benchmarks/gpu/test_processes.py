"""Parts that hang, die or take too long: what was found stays, and what can still be done is done."""

import os
import sys
import time
from pathlib import Path

import pytest

from benchmarks.gpu.processes import Part, run_part
from benchmarks.gpu.records import Records

ROOT = Path(__file__).resolve().parents[3]
# A part of three items, the second of which does what it is told to.
PROGRAM = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from benchmarks.gpu.records import Records
records = Records(Path(sys.argv[2]))
for item in ("one", "two", "three"):
    if item in records.begun("part"):
        continue
    records.write("part", "begin", item)
    if item == "two":
        exec(sys.argv[3])
    records.write("part", "row", item, found=item)
    records.write("part", "end", item)
"""


def ran(tmp_path, two, silence=20.0, seconds=30.0):
    part = Part("part", 30, silence)
    records, told = Records(tmp_path / "run.jsonl"), []
    command = [sys.executable, "-c", PROGRAM, str(ROOT), str(records.path), two]
    ended = run_part(part, command, records, tmp_path / "run.log", seconds, dict(os.environ), told.append)
    found = [record["found"] for record in records.read("part") if record["kind"] == "row"]
    errors = {record["item"]: record["error"] for record in records.read("part") if record["kind"] == "error"}
    return ended, found, errors


def test_all_items(tmp_path):
    assert ran(tmp_path, "pass") == ("done", ["one", "two", "three"], {})


def test_one_whose_process_dies_costs_nobody_else_anything(tmp_path):
    died = {"two": "its process ended with code 75"}
    assert ran(tmp_path, "os._exit(75)") == ("done", ["one", "three"], died)


def test_what_is_known_of_a_death_is_not_told_twice(tmp_path):
    two = "records.write('part', 'error', item, error='an illegal address'); os._exit(75)"
    assert ran(tmp_path, two) == ("done", ["one", "three"], {"two": "an illegal address"})


def test_one_that_hangs_is_ended_and_the_next_is_done(tmp_path):
    start = time.monotonic()
    ended, found, errors = ran(tmp_path, "time.sleep(60)", silence=1.5)
    assert (ended, found, errors) == ("done", ["one", "three"], {"two": "no answer within 2 s"})
    assert time.monotonic() - start < 20


def test_what_an_item_started_ends_with_it(tmp_path):
    mark = tmp_path / "alive"
    child = f"import time, pathlib; time.sleep(4); pathlib.Path({str(mark)!r}).touch()"
    ran(tmp_path, f"import subprocess; subprocess.run([sys.executable, '-c', {child!r}])", silence=1.0)
    time.sleep(4)
    assert not mark.exists()


def test_the_limit_ends_a_part_and_names_the_item(tmp_path):
    ended, found, errors = ran(tmp_path, "time.sleep(60)", seconds=2.0)
    assert ended.startswith("its limit was reached after 2 s")
    assert found == ["one"] and errors == {"two": ended}


@pytest.mark.parametrize("program", ["raise SystemExit(3)", "raise ImportError('no such module')"])
def test_one_that_never_begins_is_not_begun_again(tmp_path, program):
    records = Records(tmp_path / "run.jsonl")
    command = [sys.executable, "-c", program]
    ended = run_part(Part("part", 30, 20), command, records, tmp_path / "log", 30.0, dict(os.environ), print)
    assert ended == f"its process ended with code {3 if 'Exit' in program else 1}"
    assert records.read() == []


def test_a_line_that_was_cut_off_is_left_out(tmp_path):
    records = Records(tmp_path / "run.jsonl")
    records.write("part", "begin", "one")
    with records.path.open("a") as file:
        file.write('{"part": "part", "kind": "ro')
    assert records.read() == [{"part": "part", "kind": "begin", "item": "one"}]
    assert records.unfinished("part") == "one" and records.unfinished("other") is None
