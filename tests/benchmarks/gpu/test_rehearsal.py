"""The whole run, rehearsed: the script, every part as a process, the records and the page."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import lamina
from benchmarks.gpu.command import PARTS

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "benchmarks" / "gpu" / "run.sh"


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory):
    output = tmp_path_factory.mktemp("gpu")
    before = sorted((ROOT / "benchmarks" / "results").iterdir())
    environment = os.environ | {"PYTHON": sys.executable}
    command = ["bash", str(SCRIPT), "--rehearse", "--output", str(output)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    after = sorted((ROOT / "benchmarks" / "results").iterdir())
    assert after == before, "a rehearsal's figures are no results"
    return done, output


def test_every_part_does_all_its_items(rehearsed):
    done, output = rehearsed
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    records = [json.loads(line) for line in (output / "run.jsonl").read_text().splitlines()]
    ended = {record["part"]: record["ended"] for record in records if record["kind"] == "part"}
    assert ended == {part.name: "done" for part in PARTS}
    for part in PARTS:
        begun, over = (
            [record["item"] for record in records if (record["part"], record["kind"]) == (part.name, kind)]
            for kind in ("begin", "end")
        )
        assert begun and begun == over
    assert [record for record in records if record["kind"] == "error"] == []


def test_the_page_tells_that_it_is_none_of_a_gpu_and_has_every_section(rehearsed):
    _, output = rehearsed
    page = (output / "gpu-rehearsal.md").read_text()
    assert "none of its figures is a GPU's" in page
    titles = re.findall(r"^##+ (.*)$", page, re.MULTILINE)
    for title in ("Where it ran", "Parts", "What things cost", "pytest -m gpu", "Japanese vowels, trained",
                  "A training step, strict float32 on both sides", "compute-sanitizer"):  # fmt: skip
        assert title in titles
    assert "Failed" not in titles
    assert json.loads((output / "gpu-rehearsal.json").read_text())[0]["rehearsal"] is True


def test_both_backends_train_to_one_accuracy(rehearsed):
    _, output = rehearsed
    records = [json.loads(line) for line in (output / "run.jsonl").read_text().splitlines()]
    found = {(one["cell"], one["backend"]): one["accuracy"] for one in records if "accuracy" in one}
    for cell in ("simple_rnn", "lstm", "gru"):
        assert found[cell, "cupy"] == pytest.approx(found[cell, "numpy"], abs=0.01)
        assert found[cell, "cupy"] > 1.5 / 9


def test_without_a_gpu_one_line_says_what_is_missing(tmp_path):
    try:
        lamina.get_backend("cupy")
        pytest.skip("there is a GPU")
    except lamina.errors.BackendError as error:
        reason = str(error)
    command = [sys.executable, "-m", "benchmarks", "gpu", "--output", str(tmp_path / "out")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr == f"python -m benchmarks gpu: {reason}\n"
    assert done.stdout == "" and not (tmp_path / "out").exists()


def test_a_run_that_is_ended_keeps_what_it_found(tmp_path):
    command = [sys.executable, "-m", "benchmarks", "gpu", "--rehearse", "--output", str(tmp_path)]
    run = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    records, deadline = tmp_path / "run.jsonl", time.monotonic() + 60
    while time.monotonic() < deadline and not (records.exists() and '"held"' in records.read_text()):
        time.sleep(0.05)
    run.terminate()
    printed, _ = run.communicate(timeout=30)
    assert run.returncode == 1 and "interrupted" in printed
    page = (tmp_path / "gpu-rehearsal.md").read_text()
    assert "| smoke | cut off |  |" in page and "| sanitizer | not run |  |" in page
    assert "fp32: " in page
    size = records.stat().st_size
    time.sleep(1.0)
    assert records.stat().st_size == size  # its part does not go on


def test_a_fault_of_a_part_fails_the_rehearsal(tmp_path):
    """A tool that finds something stands before the one that finds nothing."""
    tool = tmp_path / "bin" / "compute-sanitizer"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho '========= ERROR SUMMARY: 1 error'\nexit 9\n")
    tool.chmod(0o755)
    program = f"""
import sys
from benchmarks.gpu import command, rehearsal
before = rehearsal.environment
def changed(rehearse):
    found = before(rehearse)
    return found | {{"PATH": {str(tool.parent)!r} + ":" + found["PATH"]}}
rehearsal.environment = changed
command.main(["--rehearse", "--only", "sanitizer", "--output", {str(tmp_path / "out")!r}])
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stderr
    assert "memcheck ended with code 9: ========= ERROR SUMMARY: 1 error" in done.stdout
