"""Nothing that a file holds steers the terminal, whichever command prints it."""

import ast
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.cli import say as module
from lamina.cli.say import say
from lamina.layers import Dense, SimpleRNN

STEERING = "\x1b[31mred\x1b]0;title\x07\u202egnp\u2066\x9b2J\r\b"


def steers(text: str) -> bool:
    return not text.replace("\n", "").isprintable()


def test_it_prints_lines_and_what_steers_is_written_out(capsys: pytest.CaptureFixture[str]) -> None:
    say("one\ntwo\x1b[0m")
    say(3)
    say()
    say("\u202e", error=True)
    assert capsys.readouterr() == ("one\ntwo\\x1b[0m\n3\n\n", "\\u202e\n")


def test_no_command_prints_elsewhere() -> None:
    folder = Path(module.__file__).parent
    for path in folder.glob("*.py"):
        if path.name in ("__init__.py", "say.py"):
            continue
        names = [node.func.id for node in ast.walk(ast.parse(path.read_text())) if is_call(node)]
        assert "print" not in names, path.name


def is_call(node: ast.AST) -> Any:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)


@pytest.fixture
def hostile(run: Any) -> None:
    model: Any = lamina.Sequential(SimpleRNN(3), Dense(3))
    model.build((None, None, 2), seed=0)
    model.facts.update(
        {
            "class_names": [f"{STEERING}\n{number}" for number in range(3)],
            STEERING: STEERING,
            "note": {STEERING: [STEERING, {STEERING: STEERING}], "lines\nlamina": "a\nlamina: error: forged"},
        }
    )
    model.save("m.safetensors")
    x = np.random.default_rng(0).standard_normal((6, 4, 2))
    np.savez("named.npz", x=x, y=[f"{STEERING}\n{number % 3}" for number in range(6)])
    np.savez("other.npz", x=x, y=[f"{STEERING} other"] * 6)


@pytest.mark.parametrize(
    "words",
    [
        ("info", "m.safetensors"),
        ("evaluate", "m.safetensors", "named.npz"),
        ("predict", "m.safetensors", "named.npz", "--out", f"{STEERING}.csv"),
    ],
    ids=lambda words: words[0],
)
def test_names_from_a_model_file_steer_nothing(run: Any, hostile: None, words: Any) -> None:
    found = run(*words)
    assert found.code == 0 and not found.err
    assert not steers(found.out)
    assert "\nlamina: error" not in found.out
    if words[0] != "predict":
        assert "\\x1b[31mred" in found.out and "\\u202egnp" in found.out


@pytest.mark.parametrize("word", ["info", "evaluate"])
def test_the_files_own_path_steers_nothing(run: Any, hostile: None, word: str) -> None:
    path = Path(f"{STEERING}\nlamina: error: forged")
    path.write_bytes(Path("m.safetensors").read_bytes())
    found = run(word, path, *(["named.npz"] if word == "evaluate" else []))
    assert found.code == 0
    assert not steers(found.out) and "\nlamina: error" not in found.out


def test_names_from_data_steer_nothing_in_training(run: Any, hostile: None) -> None:
    found = run("train", "named.npz", "--epochs", 1, "--units", 2)
    assert found.code == 0
    assert not steers(found.out)


def test_regressions_targets_steer_nothing(run: Any) -> None:
    model: Any = lamina.Sequential(SimpleRNN(3), Dense(2))
    model.build((None, None, 2), seed=0)
    model.facts["task"] = {"name": "regress", "targets": [STEERING, "a\nlamina: error: forged"]}
    model.save("m.safetensors")
    np.savez("a.npz", x=np.zeros((3, 4, 2)), y=np.arange(6.0).reshape(3, 2))
    for words in (("evaluate", "m.safetensors", "a.npz"), ("predict", "m.safetensors", "a.npz", "--out", "o.npz")):
        found = run(*words)
        assert found.code == 0, found.err
        assert not steers(found.out) and "\nlamina: error" not in found.out


def test_weights_that_are_no_numbers_are_told(run: Any, hostile: None) -> None:
    model: Any = lamina.load("m.safetensors")
    model[0].w_x.data[0, 0] = np.inf  # tanh of it is a number
    model[1].b.data[:] = 0
    model.save("broken.safetensors")
    found = run("info", "broken.safetensors")
    assert found.code == 0 and not found.err
    assert "\nwarning: the parameter '0.w_x' holds infinity\n" in found.out
    assert "holds" not in run("info", "m.safetensors").out
    warning = "lamina: warning: 'broken.safetensors': its parameter '0.w_x' holds infinity\n"
    assert run("evaluate", "broken.safetensors", "named.npz").err == warning
    assert run("predict", "broken.safetensors", "named.npz", "--out", "o.csv").err == warning
