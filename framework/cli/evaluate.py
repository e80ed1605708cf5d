"""``lamina evaluate``: the loss, accuracy and confusion matrix of a saved model."""

from __future__ import annotations

import argparse
from typing import Any

from lamina.cli.memory import add_memory
from lamina.cli.options import add_backend, add_columns, add_dtype, columns_of, command
from lamina.cli.say import say

__all__ = ["add", "run"]

_DETAILS = """\
MODEL is a file that `lamina train` or model.save wrote, DATA a data set that ships with Lamina (digits,
japanese-vowels; sunspots to forecast) or a .npz, .csv or .ts file; `lamina train --help` says what such a file
holds. Its task, and which columns are what, the model knows. Classes are matched by name; mere
numbers count a model's named classes from 0.
Of a file without a test part, the rows that were held out when the model was trained on it are the test part; if
the model was trained on something else, all rows of the file are.

The loss is the mean cross-entropy, without the label smoothing that `lamina train` minimizes. Of numbers, errors are
printed, beside those of naive answers."""

_EXAMPLES = """\
lamina train japanese-vowels
lamina evaluate runs/japanese-vowels/model.safetensors japanese-vowels
lamina evaluate runs/japanese-vowels/model.safetensors japanese-vowels --part train
"""


def add(commands: Any) -> None:
    """Describe the command to argparse."""
    summary = "Print how well a saved model does: loss, accuracy and confusion matrix, or errors."
    parser = command(commands, "evaluate", run, summary, _DETAILS, _EXAMPLES)
    parser.add_argument("model", metavar="MODEL", help="a .safetensors file")
    parser.add_argument("data", metavar="DATA", help="a data set's name, or a FILE.npz, .csv or .ts")
    parser.add_argument("--test", metavar="FILE", help="a second file, with the rows to test on")
    parser.add_argument("--part", choices=("train", "test"), help="which rows (default: test)")
    add_backend(parser)
    add_dtype(parser, "the model's")
    add_memory(parser)
    add_columns(parser)


def run(arguments: argparse.Namespace) -> int:
    """Evaluate; return the exit code."""
    from lamina.cli.data import read
    from lamina.cli.report import labelled_lines, part_text
    from lamina.cli.tasks import columns_for, load_model, tell_non_finite
    from lamina.files.numbers import figure
    from lamina.files.printable import printable

    model, task = load_model(arguments.model, arguments.backend, arguments.dtype)
    columns = columns_for(model, arguments.data, columns_of(arguments))
    data = read(arguments.data, task.name, columns, arguments.test, arguments.memory)
    part_name, part = task.choose_part(model, data, arguments.part)
    verdict = task.judge(model, part, data)
    pairs = [
        ("model", printable(arguments.model)),
        ("data", f"{data.source}, {part_name}: {part_text(part)}"),
        ("backend", f"{model.backend.name}, {model.dtype}"),
    ]
    say(labelled_lines(pairs))
    say()
    say(verdict.text)
    say()
    if verdict.loss is not None:
        say(f"loss {figure(verdict.loss)}")
    say(verdict.line)
    tell_non_finite(model, arguments.model)
    return 0
