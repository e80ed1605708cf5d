"""The whole run, rehearsed: the script, every part as a process, the records and the page."""

import json
import os
import re
import subprocess
import sys
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
