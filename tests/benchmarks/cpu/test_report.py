import json

import pytest

from benchmarks.cpu.command import main
from benchmarks.cpu.plot import draw
from benchmarks.cpu.report import page

RESULTS = {
    "machine": {"processor": "an abacus", "cores": "2"},
    "quick": False,
    "runs": [
        {
            "threads": 2,
            "products": 1e9,
            "training": [
                {
                    "kind": "LSTM",
                    "shape": [32, 28, 28, 64],
                    "operations": 500_000,
                    "seconds": {"lamina": [1e-3, 2e-3, 1e-3], "pytorch": [2e-3, 4e-3, 3e-3], "jax": [4e-3, 8e-3, 4e-3]},
                }
            ],
            "epochs": [{"data": "vowels", "name": "epoch", "seconds": {"lamina": [1.0], "pytorch": [1.5]}}],
        }
    ],
    "start-up": {
        "threads": 2,
        "kind": "SimpleRNN",
        "shape": [2, 3, 2, 4],
        "seconds": {"lamina": [0.1], "pytorch": [1.0]},
    },
    "left out": [
        {"contestant": "keras", "threads": "2", "work": work, "reason": "no answer"} for work in ("one", "two", "one")
    ],
}


def test_the_page_has_medians_ratios_shares_and_marks():
    lines = page(RESULTS).splitlines()
    assert "an abacus" in lines[2]
    assert "| (32, 28, 28, 64) | 0.50 | 1 ms | **2.00** PyTorch | 2.00 | 4.00 |" in lines
    assert "| epoch | 1 s | **1.50** PyTorch | 1.50 |" in lines
    assert any(line.startswith("## Targets: 2 of 3 hold") for line in lines)
    assert "| epoch over pytorch, 2 threads | ≥ 2 | 1.5 | **missed** |" in lines
    assert lines[-1] == "- Keras on JAX: one, two: no answer"


def test_a_table_is_as_wide_in_every_row():
    for block in page(RESULTS).split("\n\n"):
        rows = [line.count("|") for line in block.splitlines() if line.startswith("|")]
        assert len(set(rows)) <= 1


def test_the_picture_and_the_page_are_made_anew_from_the_file(tmp_path, capsys):
    pytest.importorskip("matplotlib.figure", exc_type=ImportError)
    (tmp_path / "cpu.json").write_text(json.dumps(RESULTS))
    main(["--redraw", "--output", str(tmp_path)])
    assert (tmp_path / "cpu.md").read_text() == page(RESULTS)
    assert "<svg" in (tmp_path / "cpu.svg").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cpu.json", "cpu.md", "cpu.svg"]


def test_without_training_steps_there_is_no_picture(tmp_path):
    assert not draw({"runs": [{"threads": 1}]}, tmp_path / "cpu.svg")
