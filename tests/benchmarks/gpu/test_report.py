import json
import shutil

import pytest

from benchmarks.gpu import command
from benchmarks.gpu.report import page, shown_failures

RUN = {"part": "run", "kind": "run", "rehearsal": False, "budget": 540, "began": "2030-01-01 00:00",
       "parts": ["facts", "smoke", "side by side", "sanitizer"]}  # fmt: skip
FACTS = {"part": "facts", "kind": "row", "item": "backend", "facts": {"devices": "GPU 0: ABACUS X2, 3 GiB, sm_90"}}
ROW = {
    "part": "side by side", "kind": "row", "item": "LSTM (2, 3, 4)", "cell": "LSTM", "shape": [2, 3, 4], "variant": "",
    "precision": "fp32", "mode": "step",
    "seconds": {"lamina": [1e-3, 9e-3, 2e-3], "pytorch": [1e-3, 2e-3, 3e-3], "pytorch graph": [4e-3, 1e-3, 5e-3]},
    "host": {"lamina": [1e-4, 9e-4, 2e-4], "pytorch": [1e-3, 2e-3, 3e-3], "pytorch graph": [1e-5, 1e-5, 1e-5]},
    "missing": {}, "difference": {"pytorch": ["0.w_x", 1e-6]}, "dtype": {"pytorch": "float32"},
}  # fmt: skip
ENDED = {"part": "smoke", "kind": "part", "ended": "no answer within 60 s", "seconds": 61.2}


def lines(*records):
    return page([RUN, FACTS, *records]).splitlines()


def test_times_are_medians_and_ratios_are_of_medians():
    head = "| cell | (batch, time, units) | Lamina | PyTorch | PyTorch, graph | PyTorch's outputs |"
    cells = "| LSTM | (2, 3, 4) | 2 ms | 2 ms* (1.00) | 4 ms (2.00) | float32 |"
    found = lines(ROW)
    assert head in found and cells in found
    assert "### A training step, strict float32 on both sides" in found


def test_what_is_missing_says_why_and_where():
    seconds = {"pytorch": [1e-3]}
    missing = {"lamina": "not there: no precision 'fp32'", "pytorch graph": "RuntimeError: cannot be captured"}
    found = lines(ROW | {"seconds": seconds, "missing": missing})
    assert "| LSTM | (2, 3, 4) | missing | 1 ms* | missing | float32 |" in found
    assert "- not there: no precision 'fp32': Lamina, fp32, step" in found
    assert "- RuntimeError: cannot be captured: PyTorch, graph, fp32, step, LSTM (2, 3, 4)" in found


def test_results_that_differ_are_marked():
    found = lines(ROW | {"difference": {"pytorch": ["0.w_x", 0.3]}})
    assert any("2 ms* (1.00) ≠ 3e-01" in line for line in found)


def test_parts_that_a_killed_run_did_not_come_to_are_listed():
    found = lines(ENDED, ROW)
    assert "| smoke | no answer within 60 s | 61 s |" in found
    assert "| side by side | cut off |  |" in found
    assert "| sanitizer | not run |  |" in found


def test_own_functions_that_were_never_called_are_named():
    own = {"part": "smoke", "kind": "row", "item": "own kernels", "own": ["gru_forward", "lstm_forward"]}
    held = {
        "part": "smoke",
        "kind": "row",
        "item": "cell",
        "precision": "fp32",
        "worst": 2e-3,
        "of": "w",
        "held": False,
    }
    found = lines(own, held | {"calls": {"lstm_forward": 2}})
    assert "- 1 of the backend's 2 own functions were called; never: gru_forward" in found
    assert "- fp32: 0 of 1 within 1e-04; worst 2.0e-03, cell, w" in found


def test_failures_are_those_of_items_and_of_tests():
    error = {"part": "smoke", "kind": "error", "item": "cell", "error": "wrong"}
    test = {"part": "conformance", "kind": "row", "item": "x", "test": "a::b", "outcome": "failed", "error": "no"}
    assert shown_failures([RUN, error, test]) == ["smoke, cell: wrong", "a::b: no"]


@pytest.fixture
def results(tmp_path, monkeypatch):
    folder = tmp_path / "results"
    folder.mkdir()
    monkeypatch.setattr(command, "_RESULTS", folder)
    return folder


def written(folder, *records):
    folder.mkdir(exist_ok=True)
    (folder / "run.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    with pytest.raises(SystemExit) as ended:
        command.main(["--table", str(folder)])
    return ended.value.code


def test_a_run_that_was_killed_gives_its_table_afterwards_under_the_gpus_name(tmp_path, results, capsys):
    assert written(tmp_path / "run", RUN, FACTS, ENDED, ROW) == 1  # a part did not end
    assert sorted(path.name for path in results.iterdir()) == ["gpu-abacus-x2.json", "gpu-abacus-x2.md"]
    assert "(2.00)" in (results / "gpu-abacus-x2.md").read_text()
    shutil.rmtree(results)
    results.mkdir()
    assert written(tmp_path / "run", RUN, FACTS, ENDED | {"ended": "done"}, ROW) == 0


def test_a_rehearsal_never_becomes_a_result(tmp_path, results, capsys):
    assert written(tmp_path / "run", RUN | {"rehearsal": True}, FACTS, ROW) == 0
    assert list(results.iterdir()) == []
    assert (tmp_path / "run" / "gpu-rehearsal.md").exists()


@pytest.mark.parametrize("missing", [{"pytorch": "RuntimeError: a fault"}, "TypeError: a fault"])
def test_a_rehearsal_fails_where_a_value_is_missing_for_a_fault(tmp_path, results, capsys, missing):
    rehearsal = RUN | {"rehearsal": True}
    row = ROW if isinstance(missing, dict) else {"part": "smoke", "kind": "row", "item": "costs", "cost": "a + b"}
    assert written(tmp_path / "run", rehearsal, FACTS, row | {"missing": missing}) == 1
