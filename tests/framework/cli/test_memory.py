"""Sizes as a user writes them, and what is told of data that take more."""

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.cli.classifier import Classify
from lamina.cli.data import Part, hold_out, read
from lamina.cli.memory import DEFAULT, bytes_text, memory_size, require_memory
from lamina.cli.numbers import Forecast
from lamina.errors import DataError


@pytest.mark.parametrize(
    ("text", "size"),
    [("1", 1), ("70B", 70), ("500kB", 500_000), ("500MB", 5 * 10**8), ("8g", 8 * 10**9), ("1.5 GB", 15 * 10**8)],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert memory_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "0", "-1GB", "GB", "1PB", "1e9", "1_000", "١GB", "inf", "nan", "9" * 5000, "1.GB", "1GB\n"]
)
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="expected a size such as 500MB or 8GB, got '"):
        memory_size(text)


@pytest.mark.parametrize("size", [1, 999, 1000, 1001, 99_999, 10**6, 2_000_000_001, 10**9 - 1, 7 * 10**12 + 1])
def test_what_is_told_is_enough(size: int) -> None:
    assert size <= memory_size(bytes_text(size)) <= 1.1 * size


def test_the_limit_itself_is_no_more_than_may_be() -> None:
    require_memory(10, 10, "a")
    with pytest.raises(DataError, match=r"^a: its data would take 11B, more than 10B: raise it with --memory 11B$"):
        require_memory(11, 10, "a")


def uneven(folder: Path) -> dict[str, str]:
    """Write files in which one row of many is long, so that all of them would be as long."""
    rows = 3000
    csv = "id,time,f,target\n" + "".join(f"{row},0,1,{'ab'[row % 2]}\n" for row in range(rows))
    csv += "".join(f"long,{step},1,a\n" for step in range(rows))
    ts = "@classLabel true a b\n@data\n" + "1:a\n1:b\n" * (rows // 2) + ",".join(["1"] * rows) + ":a\n"
    for name, text in (("a.csv", csv), ("a.ts", ts)):
        (folder / name).write_text(text)
    return {name: str(folder / name) for name in ("a.csv", "a.ts")}


@pytest.mark.parametrize("name", ["a.csv", "a.ts"])
def test_rows_are_held_to_the_limit_at_the_length_of_the_longest(tmp_path: Path, name: str) -> None:
    if name == "a.csv":
        pytest.importorskip("pandas", reason="needs pandas: pip install -e '.[data]'")
    path = uneven(tmp_path)[name]
    with pytest.raises(DataError, match=r"\(3001, 3000, 1\) numbers would take 72\.1MB, more than 50MB"):
        read(path, memory=5 * 10**7)
    found = read(path, memory=10**8).train
    assert found is not None and found.x.shape == (3001, 3000, 1)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "id,f,target\n" + "1,1,a\n" * 10**5),
        ("a.csv", "id,target," + ",".join(f"f{place}" for place in range(3000)) + "\n" + "1\n" * 10**4),
        ("a.csv", "id,f,target\n1," + "1" * 10**7 + ",a\n"),
        ("a.ts", "@data\n" + "1\n" * 10**5),
        ("a.ts", "@data\n" + "1," * 10**6 + "1\n"),
        ("a.ts", "@classLabel true " + "n" * 10**6 + " b\n@data\n" + f"1:{'n' * 10**6}\n" + "1:b\n" * 100),
    ],
)
def test_text_is_held_to_the_limit_before_it_is_read(tmp_path: Path, name: str, text: str) -> None:
    if name == "a.csv":
        pytest.importorskip("pandas", reason="needs pandas: pip install -e '.[data]'")
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(DataError, match=r"would take .*, more than 10MB: raise it with --memory"):
        read(str(path), memory=10**7)


@pytest.mark.parametrize("command", ["train", "evaluate", "predict"])
def test_each_command_that_reads_data_takes_the_limit(run: Any, trained: Path, command: str) -> None:
    file, model = trained / "rows.npz", trained / "runs" / "rows" / "model.safetensors"
    words = {
        "train": [file, "--units", 2, "--epochs", 1],
        "evaluate": [model, file],
        "predict": [model, file, "--out", "out.csv"],
    }[command]
    refused = run(command, *words, "--memory", "1kB")
    assert refused.code == 2 and "raise it with --memory" in refused.err and len(refused.err.splitlines()) == 1
    told = refused.err.split()[-1]
    assert run(command, *words, "--memory", told).code == 0
    assert bytes_text(DEFAULT) in run(command, "--help").out


def test_the_second_file_is_held_to_it_too(tmp_path: Path) -> None:
    for name, rows in (("a", 4), ("b", 4000)):
        np.savez(tmp_path / f"{name}.npz", x=np.ones((rows, 2, 1)), y=np.arange(rows) % 2)
    with pytest.raises(DataError, match=r"b\.npz': its arrays would take"):
        read(str(tmp_path / "a.npz"), test=str(tmp_path / "b.npz"), memory=10_000)


def test_a_model_beyond_it_is_refused_before_it_is_drawn(run: Any, file: Path) -> None:
    for words in (["--units", 10**9], ["--units", 10**5], ["--units", 10**4, "--layers", 100, "--bidirectional"]):
        refused = run("train", file, *words)
        assert refused.code == 2 and "the model would take" in refused.err and len(refused.err.splitlines()) == 1
    refused = run("train", file, "--layers", 10**6)
    assert refused.code == 2 and "--layers: expected at most 1000, got 1000000" in refused.err


def test_windows_are_held_to_it_before_they_are_made(tmp_path: Path) -> None:
    """A series of some megabytes has windows of some gigabytes."""
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros(10**6))
    data = read(str(tmp_path / "a.npz"), "forecast", memory=10**8)
    task = Forecast(window=1000)
    begin = time.perf_counter()
    for split in (lambda: task.split(data, 0, 0.0), lambda: task.choose_part(lamina.layers.Dense(1), data, None)):
        with pytest.raises(DataError, match=r"windows of 1000 steps would take .*GB, more than 100MB: raise it with"):
            split()
    assert time.perf_counter() - begin < 5
    assert len(Forecast(window=10).split(data, 0, 0.0).train) == 799_990


def test_a_class_for_each_row_is_refused_before_a_table_of_them_is_made(tmp_path: Path) -> None:
    rows = 100_000
    np.savez(tmp_path / "a.npz", x=np.zeros((rows, 1, 1)), y=np.arange(rows))
    data = read(str(tmp_path / "a.npz"))
    begin = time.perf_counter()
    with pytest.raises(DataError, match="the confusion matrix of 100000 classes would take 80GB, more than 2GB"):
        Classify().split(data, 0, 0.0)
    part = Part(np.zeros((2 * rows, 1, 1)), np.arange(2 * rows) // 2, None)
    train, test = hold_out(part, 0)
    assert time.perf_counter() - begin < 20
    assert train.y.tolist() == test.y.tolist() == list(range(rows))
