"""The README says what is true: its snippets run as they stand, in order, and its commands exist."""

import re
from pathlib import Path

import pytest

from lamina.cli import main

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
SNIPPETS = [code for language, code in BLOCKS if language == "python"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


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


def test_the_two_commands_stand_in_the_readme_and_install_the_package():
    commands = re.findall(r"^python3 -m venv \.venv && .*$", README, re.MULTILINE)
    assert commands == [
        "python3 -m venv .venv && .venv/bin/pip install -e . && .venv/bin/lamina train japanese-vowels",
        "python3 -m venv .venv && .venv/bin/pip install -e '.[test]' && .venv/bin/pytest",
    ]


@pytest.mark.parametrize("command", ["train", "evaluate", "predict", "info"])
def test_commands_named_exist(command, capsys):
    assert re.search(rf"lamina {command}|`{command}`", README)
    assert main([command, "--help"]) == 0
    assert f"lamina {command}" in capsys.readouterr().out


def test_folders_in_the_picture_exist():
    picture = next(code for _, code in BLOCKS if "framework/" in code and "▼" in code)
    folders = set(re.findall(r"(\w+)/", picture))
    assert folders >= {"framework", "layers", "optimizers", "backends", "tests"}
    for name in folders:
        assert (ROOT / name).is_dir(), name
