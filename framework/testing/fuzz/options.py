"""Hostile command lines: commands, options and values of every kind, over a small data set."""

from __future__ import annotations

import contextlib
import io
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from lamina.cli import main
from lamina.testing.fuzz.reading import FAILED

__all__ = ["make", "outcome"]

_TEXTS = (
    *(
        "",
        " ",
        "x",
        "-1",
        "0",
        "1",
        "2",
        "3",
        "1.5",
        "0.2",
        "0.999",
        "nan",
        "inf",
        "-inf",
        "1e400",
        "1e-400",
        "0x10",
        "1_0",
    ),
    *(
        "١٢",
        "\uff19",
        "é",
        "\x1b[31m",
        "\u202e",
        "a\nb",
        "a\tb",
        "%s",
        "{}",
        "'",
        '"',
        "--",
        "-",
        "*",
        "~",
        ".",
        "..",
        "/",
    ),
    *(
        "9" * 30,
        "9" * 5000,
        "x" * 300,
        "x/" * 3000,
        "a,b",
        ",",
        "a,,b",
        "y",
        "x,y",
        "None",
        "true",
        "/dev/null",
        "/dev/full",
    ),
)
_NAMES = (
    *("simple_rnn", "lstm", "gru", "nothing", "adam", "sgd", "adagrad", "muon", "lbfgs", "cosine_decay", "constant"),
    *("linear_decay", "one_cycle", "numpy", "reference", "cupy", "float32", "float64", "float16", "classify", "tag"),
    *("regress", "forecast", "digits", "japanese-vowels", "sunspots"),
)
_NUMBERED = (
    *("--units", "--layers", "--dropout", "--learning-rate", "--batch-size", "--seed", "--validation", "--patience"),
    *("--horizon", "--window", "--season", "--every", "--memory"),
)
_NAMED = (
    "--task",
    "--cell",
    "--optimizer",
    "--schedule",
    "--backend",
    "--dtype",
    "--id",
    "--time",
    "--target",
    "--features",
)
_FLAGS = ("--bidirectional", "--checkpoint", "--help", "--nothing", "--version")
#: What stands after a command.
_WANTED = {
    "train": ("rows.npz",),
    "evaluate": ("model.safetensors", "rows.npz"),
    "predict": ("model.safetensors", "rows.npz"),
    "info": ("model.safetensors",),
}
_SOUND = (
    *(["--units", "4"], ["--layers", "2"], ["--dropout", "0.3"], ["--batch-size", "7"], ["--validation", "0.3"]),
    *(["--cell", "gru"], ["--optimizer", "adam"], ["--schedule", "constant"], ["--dtype", "float64"], ["--checkpoint"]),
    *(["--checkpoint", "--every", "1"], ["--bidirectional"], ["--memory", "1GB"], ["--learning-rate", "1e-3"]),
)
#: What takes long where it is large, and so is small or no number.
_LONG = ("--epochs", "--seeds")
_FEW = ("1", "2", "0", "-1", "x", "", "1.5", "nan", "1e3", "9" * 5000 + "x")


def make(rng: np.random.Generator) -> list[str]:
    """Return the words after ``lamina``; ``{folder}`` stands for a folder with files.

    Parameters
    ----------
    rng : Generator
        The same words for the same state.
    """
    command = (
        _pick(rng, ("train", "train", "train", "evaluate", "predict", "info", "nothing", ""))
        if rng.random() < 0.95
        else ""
    )
    files = (
        "rows.npz",
        "series.npz",
        "table.csv",
        "model.safetensors",
        "missing",
        "folder",
        "bad.npz",
        "bad.csv",
        "bad.ts",
    )
    words = [command] if command else []
    wanted = _WANTED.get(command, ())
    for kind in wanted if rng.random() < 0.8 else [""] * int(rng.integers(0, 4)):
        if rng.random() < 0.1:
            words.append(_pick(rng, _TEXTS))
        else:
            words.append(f"{{folder}}/{_pick(rng, (kind, kind, kind, *files) if kind else files)}")
    for _ in range(int(rng.integers(0, 4))):
        drawn = rng.random()
        if drawn < 0.2:
            words += _pick(rng, _SOUND)
        elif drawn < 0.45:
            words += [_pick(rng, _NUMBERED), _pick(rng, _TEXTS)]
        elif drawn < 0.75:
            words += [_pick(rng, _NAMED), _pick(rng, _NAMES if rng.random() < 0.8 else _TEXTS)]
        elif drawn < 0.85:
            words += [_pick(rng, _FLAGS)]
        elif drawn < 0.93:
            words += [_pick(rng, _LONG), _pick(rng, _FEW)]
        else:
            words += [_pick(rng, ("--out", "--test")), f"{{folder}}/{_pick(rng, (*files, 'out', 'a/b/c', 'x' * 300))}"]
    if command == "train":
        words += [
            *(() if "--epochs" in words else ("--epochs", "1")),
            *(() if "--units" in words else ("--units", "3")),
        ]
        words += [] if "--out" in words else ["--out", "{folder}/out"]
    return words


def outcome(words: list[str], folder: str | Path) -> str:
    """Return what the command line makes of some words.

    Parameters
    ----------
    words : list of str
    folder : str or Path
        Where files may be written.

    Returns
    -------
    str
        ``"exit 0"``, 1 or 2; or `FAILED` and what is wrong: another code, an error that came through, or an error told
        in more than two lines, or with characters that steer a terminal.
    """
    place = Path(folder)
    _fill(place)
    given = [word.replace("{folder}", str(place)) for word in words]
    output, errors = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code = main(given)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return f"{FAILED}{type(error).__name__}: {error}"[:500]
    if code not in (0, 1, 2):
        return f"{FAILED}exit {code}"
    told = errors.getvalue()
    usage = told.startswith("usage:")
    silent = not told and not output.getvalue()
    if "Traceback" in told or (code and silent) or (not usage and len(told.splitlines()) > 2):
        return f"{FAILED}exit {code} with {told[:300]!r}"
    if any(not (one.isprintable() or one in "\n\t") for one in told + output.getvalue()):
        return f"{FAILED}exit {code}, with characters that steer a terminal: {told[:300]!r}"
    return f"exit {code}"


def _pick(rng: np.random.Generator, among: Any) -> Any:
    return among[int(rng.integers(len(among)))]


@cache
def _fill(place: Path) -> None:
    """Write files into a folder, once."""
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(20, 4, 2)), np.arange(20) % 2
    np.savez(place / "rows.npz", x=x, y=y)
    np.savez(place / "series.npz", x=generator.normal(size=(3, 40, 1)))
    lines = [f"{row},{step},{x[row, step, 0]},{x[row, step, 1]},{y[row]}" for row in range(20) for step in range(4)]
    (place / "table.csv").write_text("\n".join(["id,time,a,b,target", *lines]))
    (place / "folder").mkdir(exist_ok=True)
    for name in ("bad.npz", "bad.csv", "bad.ts"):
        (place / name).write_bytes(generator.bytes(300))
    with contextlib.redirect_stdout(io.StringIO()):
        code = main(["train", str(place / "rows.npz"), "--epochs", "1", "--units", "3", "--out", str(place / "first")])
    assert code == 0
    (place / "model.safetensors").write_bytes((place / "first" / "model.safetensors").read_bytes())
