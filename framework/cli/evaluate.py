"""``lamina evaluate``: the loss, accuracy and confusion matrix of a saved model."""

from __future__ import annotations

import argparse
from typing import Any

from lamina.cli.options import add_backend, add_dtype, command

__all__ = ["add", "run"]

_DETAILS = """\
MODEL is a file that `lamina train` or model.save wrote, DATA a data set that ships with Lamina (digits,
japanese-vowels) or a .npz file; `lamina train --help` says what such a file holds. Classes are matched by name; mere
numbers count a model's named classes from 0.
Of a file without a test part, the rows that were held out when the model was trained on it are the test part; if
the model was trained on something else, all rows of the file are.

The loss is the mean cross-entropy, without the label smoothing that `lamina train` minimizes."""

_EXAMPLES = """\
lamina train japanese-vowels
lamina evaluate runs/japanese-vowels/model.safetensors japanese-vowels
lamina evaluate runs/japanese-vowels/model.safetensors japanese-vowels --part train
"""


def add(commands: Any) -> None:
    """Describe the command to argparse."""
    summary = "Print the loss, accuracy and confusion matrix of a saved model."
    parser = command(commands, "evaluate", run, summary, _DETAILS, _EXAMPLES)
    parser.add_argument("model", metavar="MODEL", help="a .safetensors file")
    parser.add_argument("data", metavar="DATA", help="digits, japanese-vowels or FILE.npz")
    parser.add_argument("--part", choices=("train", "test"), help="which rows (default: test)")
    add_backend(parser)
    add_dtype(parser, "the model's")


def run(arguments: argparse.Namespace) -> int:
    """Evaluate; return the exit code."""
    from lamina.cli.classifier import choose_part, load_classifier, logits_of, match_labels
    from lamina.cli.data import read
    from lamina.cli.report import accuracy_text, confusion_matrix, confusion_text, labelled_lines, part_text
    from lamina.files.numbers import figure
    from lamina.losses import SoftmaxCrossEntropy

    model = load_classifier(arguments.model, arguments.backend, arguments.dtype)
    data = read(arguments.data)
    part_name, part = choose_part(model, data, arguments.part)
    class_names, labels = match_labels(model, part, data)
    logits = logits_of(model, part.x, part.lengths, data.source)
    loss = SoftmaxCrossEntropy()
    matrix = confusion_matrix(labels, logits.argmax(axis=-1), len(class_names))
    pairs = [
        ("model", arguments.model),
        ("data", f"{data.source}, {part_name}: {part_text(part)}"),
        ("backend", f"{model.backend.name}, {model.dtype}"),
    ]
    print(labelled_lines(pairs))
    print()
    print(confusion_text(matrix, class_names))
    print()
    print(f"loss {figure(loss(logits, labels))}")
    print(f"accuracy {accuracy_text(matrix)}")
    return 0
