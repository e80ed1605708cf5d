"""The README says what is true: its snippets run as they stand, in order, and its commands exist."""

import importlib.util
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import lamina
from lamina.cli import main

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, re.DOTALL | re.MULTILINE)

_spec = importlib.util.spec_from_file_location("test_rooms", ROOT / "tests" / "test_rooms.py")
test_rooms = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(test_rooms)
PYTHON = [code for language, code in BLOCKS if language == "python"]
COMPILED = [code for code in PYTHON if 'backend="numba"' in code]
SNIPPETS = [code for code in PYTHON if code not in COMPILED]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_is_compiled_runs():
    pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")
    names = {}
    for code in COMPILED:
        exec(compile(code, "README, compiled", "exec"), names)
    assert names["loss"] > 0
    assert lamina.inspect.explain(names["model"], "softmax_cross_entropy", names["optimizer"]).planned


def test_every_snippet_runs(folder, capsys):
    assert len(SNIPPETS) >= 6
    names = {"__name__": "readme"}
    for number, code in enumerate(SNIPPETS):
        exec(compile(code, f"README snippet {number}", "exec"), names)
    printed = capsys.readouterr().out
    assert "parameters" in printed  # the summary
    assert "gradients" in printed  # the proof of the custom layer
    assert (folder / "speakers.safetensors").exists()
    assert names["logits"].shape == (32, 9)
    assert names["twins"].output_shape == (None, 1)


@pytest.mark.parametrize("steps", [True, False], ids=["a target a step", "a target a row"])
@pytest.mark.parametrize("backend", ["numpy", "reference"])
def test_the_step_written_out_is_the_trainers_to_the_bit(steps, backend):
    """On ragged rows, also where the output has a time axis: then the loss must leave out what is past their ends."""
    (snippet,) = [code for code in SNIPPETS if "optimizer.zero_grad()" in code]
    step = compile(snippet[snippet.index("optimizer.zero_grad()") :], "README, the step written out", "exec")
    rng = np.random.default_rng(0)
    x, lengths = rng.standard_normal((8, 6, 3)).astype("float32"), np.array([6, 1, 0, 3, 5, 2, 4, 1])
    y = rng.integers(0, 4, (8, 6) if steps else 8)

    def parts():
        model = lamina.Sequential(lamina.layers.GRU(5, return_sequences=steps), lamina.layers.Dense(4))
        model.build((None, None, 3), seed=0, backend=backend)
        return model, lamina.optimizers.SGD(model.parameters(), lr=0.5)

    model, optimizer = parts()
    names = {"model": model, "optimizer": optimizer, "loss": lamina.losses.SoftmaxCrossEntropy()}
    with lamina.use_backend(backend):  # NumPy's arrays are of several: this one's kernels the loss is to take
        exec(step, names | {"x": x, "y": y, "lengths": lengths}, names)
    twin, other = parts()
    trainer = lamina.Trainer(twin, "softmax_cross_entropy", other)
    history = trainer.fit(x, y, lengths=lengths, epochs=1, batch_size=8, shuffle=False, verbose=False)
    assert history["loss"] == [float(names["value"])]
    for name, array in twin.state_dict().items():
        assert (array == model.state_dict()[name]).all(), name
    logits = parts()[0](x, lengths=lengths).astype("float64")
    odds = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    each = -np.take_along_axis(odds, y[..., None], -1)[..., 0]
    counted = np.arange(6) < lengths[:, None] if steps else np.ones(8, bool)
    assert float(names["value"]) == pytest.approx(each[counted].mean(), rel=1e-5)


def test_the_two_commands_stand_in_the_readme_and_install_the_package():
    commands = re.findall(r"^python3 -m venv \.venv && .*$", README, re.MULTILINE)
    assert commands == [
        "python3 -m venv .venv && .venv/bin/pip install -e . && .venv/bin/lamina train japanese-vowels",
        "python3 -m venv .venv && .venv/bin/pip install -e '.[test]' && .venv/bin/pytest -n auto",
    ]


@pytest.mark.parametrize("command", ["train", "evaluate", "predict", "info"])
def test_commands_named_exist(command, capsys):
    assert re.search(rf"lamina {command}|`{command}`", README)
    assert main([command, "--help"]) == 0
    assert f"lamina {command}" in capsys.readouterr().out


def test_the_picture_of_the_rooms_is_the_order_that_is_proven():
    picture = next(code for _, code in BLOCKS if "▼" in code)
    rooms = [re.findall(r"[a-z]+/?", part[:60].split("  " * 12)[0]) for part in picture.split("▼")]
    shown = [[room.rstrip("/") for room in floor if (ROOT / room).is_dir() or is_room(room)] for floor in rooms]
    floors = {room: number for number, floor in enumerate(reversed(shown)) for room in floor}
    for lower, higher in pairwise(test_rooms.FLOORS):
        for low in lower:
            for high in higher:
                names = low.removeprefix("lamina."), high.removeprefix("lamina.")
                if all(name in floors for name in names):
                    assert floors[names[0]] <= floors[names[1]], names
    assert {"core", "kinds", "losses", "compose", "train", "layers", "optimizers", "backends", "cli"} <= set(floors)


def is_room(name: str) -> bool:
    return (ROOT / "framework" / name).is_dir() or (ROOT / "framework" / f"{name}.py").is_file()


def test_what_to_read_first_is_a_dozen_files_of_about_2100_lines():
    files = re.findall(r"^\d+\. \[([\w/.]+)\]\(\1\)", README, re.MULTILINE)
    lines = sum(len((ROOT / file).read_text().splitlines()) for file in files)
    assert len(files) == 12
    assert 1900 < lines < 2300, lines


def test_no_message_and_no_page_tells_to_install_a_package_that_is_not_published():
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").rglob("*.md")]
    sources = [
        path
        for folder in ("framework", "layers", "optimizers", "backends", "benchmarks", "examples", "tests")
        for path in (ROOT / folder).rglob("*.py")
    ]
    assert sources
    wrong = re.compile(r"pip install\s+(?:-\w+ )*['\"]?lamina\b")
    found = [path for path in (*pages, *sources) if path != Path(__file__) and wrong.search(path.read_text())]
    assert found == []
