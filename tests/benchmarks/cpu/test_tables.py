import json
from pathlib import Path

import pytest

from benchmarks.cpu.ratios import ENGINE
from benchmarks.cpu.tables import summary, time_of

ROOT = Path(__file__).resolve().parents[3]


def step(kind, shape, **seconds):
    return {"kind": kind, "shape": shape, "seconds": {name.replace("_", " "): own for name, own in seconds.items()}}


def test_the_rival_may_be_another_one_beside_the_engine():
    records = [
        step("GRU", [2, 3, 2, 4], lamina=[1.0, 9.0], lamina_engine=[1.0, 1.0], jax=[1.0, 8.9], keras=[2.0, 4.0]),
        step("LSTM", [2, 3, 2, 4], lamina=[1.0], pytorch=[2.0]),
    ]
    heads, _, row, end = summary(records)
    assert heads.count("NumPy") == heads.count("engine") == 2
    assert row == "| (2, 3, 2, 4) | 0.99 JAX | 3.00 Keras | 2.00 PyTorch |  |" and end == ""


@pytest.mark.parametrize(("seconds", "expected"), [(2e-6, "2 µs"), (0.0123, "12.3 ms"), (1.5, "1.5 s")])
def test_times_have_a_unit_that_suits_them(seconds, expected):
    assert time_of(seconds) == expected


def test_the_readme_has_the_table_that_was_measured():
    results = json.loads((ROOT / "benchmarks/results/cpu.json").read_text())
    records = results["runs"][0]["training"]
    if not any(ENGINE in record["seconds"] for record in records):
        pytest.skip("benchmarks/results/cpu.json was measured before there was an engine")
    readme = (ROOT / "README.md").read_text().splitlines()
    assert set(summary(records)) <= {*readme, ""}
