"""``lamina predict``: what a saved model tells of new sequences: classes, numbers, what comes next."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from lamina.cli.data import read, read_raw
from lamina.cli.memory import add_memory
from lamina.cli.options import add_backend, add_columns, add_dtype, columns_of, command
from lamina.cli.raw import Raw
from lamina.cli.say import say
from lamina.errors import ArgumentError, DataError

__all__ = ["add", "run"]

_DETAILS = """\
MODEL is a file that `lamina train` or model.save wrote. FILE.npz holds x (batch, time, features) and, where rows
differ in length, lengths (batch,), with features as they went into training: nothing is to be standardized. A .csv or
.ts file is like the one that the model was trained on. Targets may be there, or not: they are not read. Of a file
with a test part too, --part says which rows. OUT is one of

  .csv  for each row: row (from 0, or its id), label (the class's name), and
        a probability for each class; to tag, for each step: row, step,
        label; numbers: row and a column for each; a forecast: row, step
        (from 1) and a column for each
  .npz  labels (positions among class_names), probabilities, logits,
        class_names; or predictions, targets (what they are called)

A forecast is of the steps that follow the end of each series."""

_EXAMPLES = """\
lamina train digits
python -c "import lamina, numpy; data = lamina.datasets.digits(); numpy.savez('new.npz', x=data.x_test)"
lamina predict runs/digits/model.safetensors new.npz --out labels.csv
"""


def add(commands: Any) -> None:
    """Describe the command to argparse."""
    summary = "Write what a saved model tells of new sequences: classes and probabilities, or numbers."
    parser = command(commands, "predict", run, summary, _DETAILS, _EXAMPLES)
    parser.add_argument("model", metavar="MODEL", help="a .safetensors file")
    parser.add_argument("file", metavar="FILE", help="the sequences: .npz, .csv or .ts, or a data set's name")
    parser.add_argument("--out", metavar="OUT", required=True, help="the file to write: .csv or .npz")
    parser.add_argument("--part", choices=("train", "test"), help="which rows (default: train, if there are any)")
    wanted = "whether to write those of each class (default: for rows they are, for steps not)"
    parser.add_argument("--probabilities", action=argparse.BooleanOptionalAction, help=wanted)
    add_backend(parser)
    add_dtype(parser, "the model's")
    add_memory(parser)
    add_columns(parser)


def run(arguments: argparse.Namespace) -> int:
    """Predict; return the exit code."""
    from lamina.cli.predictions import classes_file, numbers_file
    from lamina.cli.tasks import columns_for, load_model, tell_non_finite
    from lamina.files import require_writable, write_file
    from lamina.files.printable import printable

    source, out = Path(arguments.file), Path(arguments.out)
    as_csv = out.suffix.lower() == ".csv"
    if not as_csv and out.suffix.lower() != ".npz":
        raise ArgumentError(f"expected an --out that ends in .csv or .npz, got {arguments.out!r}")
    if out.exists() and any(out.samefile(name) for name in (source, arguments.model) if Path(name).exists()):
        raise ArgumentError(f"--out {arguments.out!r} would replace what is read")
    require_writable(out)
    model, task = load_model(arguments.model, arguments.backend, arguments.dtype)
    columns = columns_for(model, arguments.file, columns_of(arguments))
    raw = _read(arguments.file, task.name, columns, arguments.part, arguments.memory)
    if task.name in ("regress", "forecast"):
        if arguments.probabilities:
            raise ArgumentError(f"--probabilities: expected a model of classes, got one that is to {task.name}")
        content, told = numbers_file(model, task, raw, arguments.file, as_csv)
    else:
        content, told = classes_file(model, task, raw, arguments.file, as_csv, arguments.probabilities)
    write_file(out, content)
    say(printable(f"wrote {arguments.out}: {told}"))
    tell_non_finite(model, arguments.model)
    return 0


def _read(source: str, task: str, columns: dict[str, Any], name: str | None, memory: int) -> Raw:
    """Return the rows of a file, or of a data set."""
    if not Path(source).suffix and len(Path(source).parts) == 1:
        data = read(source, task, columns)
        parts = {"train": data.train, "test": data.test}
        found = {key: None if one is None else Raw(one.x, one.lengths, None, source) for key, one in parts.items()}
    else:
        file = read_raw(source, task, columns, needs_target=False, memory=memory)
        found = {"train": file.train, "test": file.test}
    chosen = found[name] if name is not None else found["train"] or found["test"]
    if chosen is None:
        raise DataError(f"{source!r}: there is no {name} part")
    return chosen
