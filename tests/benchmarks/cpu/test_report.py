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


def with_engine():
    results = json.loads(json.dumps(RESULTS))
    results |= {"instructions": "AVX-512", "minutes": 14.04, "notes": ["Two rows are of another run."]}
    results["runs"][0]["training"][0]["seconds"]["lamina engine"] = [5e-4, 5e-4, 5e-4]
    ragged = {"kind": "GRU", "shape": [32, 28, 28, 64], "seconds": {"lamina": [1.0], "pytorch": [1.5]}}
    model = {"name": "attention", "shape": [32, 50, 64], "seconds": {"lamina": [1.0], "jax": [0.5]}}
    loop = {"kind": "GRU", "shape": [2, 3, 2, 4], "seconds": {"lamina": [1.0], "trainer": [2.0], "jax": [0.5]}}
    results["runs"][0] |= {"ragged": [ragged], "models": [model], "trainer": [loop]}
    return results


def test_numpy_and_the_engine_have_a_column_of_ratios_each():
    lines = page(with_engine()).splitlines()
    assert "| (batch, time, features, units) | LSTM: NumPy | LSTM: engine |" in lines
    assert "| (32, 28, 28, 64) | 2.00 PyTorch | 6.00 PyTorch |" in lines
    detailed = "| (32, 28, 28, 64) | 0.50 | 1 ms | **2.00** PyTorch | 500 µs | **6.00** PyTorch | 2.00 | 4.00 |"
    assert detailed in lines
    assert "Two rows are of another run." in lines
    assert "The run took 14.0 minutes." in lines and any("--avx2" in line for line in lines)


def test_ragged_batches_models_and_loops_have_tables():
    lines = page(with_engine()).splitlines()
    assert "| GRU | (32, 28, 28, 64) | 1 s | **1.50** PyTorch | 1.50 |" in lines
    assert "| attention | (32, 50, 64) | 1 s | **0.50** JAX | 0.50 |" in lines
    assert "| GRU | (2, 3, 2, 4) | 1 s | **0.50** JAX | 2.00 | 0.50 |" in lines


def test_a_table_is_as_wide_in_every_row():
    for results in (RESULTS, with_engine()):
        for block in page(results).split("\n\n"):
            rows = [line.count("|") for line in block.splitlines() if line.startswith("|")]
            assert len(set(rows)) <= 1


def test_the_picture_and_the_page_are_made_anew_from_the_file(tmp_path, capsys):
    pytest.importorskip("matplotlib.figure", exc_type=ImportError)
    (tmp_path / "cpu.json").write_text(json.dumps(RESULTS))
    main(["--redraw", "--output", str(tmp_path)])
    assert (tmp_path / "cpu.md").read_text() == page(RESULTS)
    assert "<svg" in (tmp_path / "cpu.svg").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cpu.json", "cpu.md", "cpu.svg"]


def test_a_run_held_to_avx2_has_files_of_its_own_and_a_panel_for_the_engine(tmp_path):
    pytest.importorskip("matplotlib.figure", exc_type=ImportError)
    (tmp_path / "cpu-avx2.json").write_text(json.dumps({**with_engine(), "instructions": "AVX2"}))
    main(["--redraw", "--avx2", "--output", str(tmp_path)])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cpu-avx2.json", "cpu-avx2.md", "cpu-avx2.svg"]
    picture = (tmp_path / "cpu-avx2.svg").read_text()
    assert "LSTM, NumPy, 2 threads" in picture and "LSTM, engine, 2 threads" in picture and "AVX2" in picture


def test_without_training_steps_there_is_no_picture(tmp_path):
    assert not draw({"runs": [{"threads": 1}]}, tmp_path / "cpu.svg")
