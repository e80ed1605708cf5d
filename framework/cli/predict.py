"""``lamina predict``: the classes and probabilities that a saved model gives to new sequences."""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lamina.cli.npz import NumpyArray, check_lengths, check_sequences, read_arrays
from lamina.cli.options import add_backend, add_dtype, command
from lamina.errors import ArgumentError, DataError

__all__ = ["add", "run", "softmax"]

_DETAILS = """\
MODEL is a file that `lamina train` or model.save wrote. FILE.npz holds x (batch, time, features) and, where rows
differ in length, lengths (batch,), with features as they went into training: nothing is to be standardized. OUT is
one of

  .csv  for each row: row (from 0), label (the class's name), and a
        probability for each class
  .npz  labels (positions among class_names), probabilities, logits,
        class_names"""

_EXAMPLES = """\
lamina train digits
python -c "import lamina, numpy; data = lamina.datasets.digits(); numpy.savez('new.npz', x=data.x_test)"
lamina predict runs/digits/model.safetensors new.npz --out labels.csv
"""


def add(commands: Any) -> None:
    """Describe the command to argparse."""
    summary = "Write the classes and probabilities that a saved model gives to new sequences."
    parser = command(commands, "predict", run, summary, _DETAILS, _EXAMPLES)
    parser.add_argument("model", metavar="MODEL", help="a .safetensors file")
    parser.add_argument("file", metavar="FILE.npz", help="the sequences")
    parser.add_argument("--out", metavar="OUT", required=True, help="the file to write: .csv or .npz")
    add_backend(parser)
    add_dtype(parser, "the model's")


def run(arguments: argparse.Namespace) -> int:
    """Predict; return the exit code."""
    from lamina.cli.classifier import class_names_of, load_classifier, logits_of
    from lamina.files import require_writable, write_file

    source, out = Path(arguments.file), Path(arguments.out)
    if out.suffix.lower() not in (".csv", ".npz"):
        raise ArgumentError(f"expected an --out that ends in .csv or .npz, got {arguments.out!r}")
    x, lengths = _read(source)
    if out.exists() and any(out.samefile(name) for name in (source, arguments.model) if Path(name).exists()):
        raise ArgumentError(f"--out {arguments.out!r} would replace what is read")
    require_writable(out)
    model = load_classifier(arguments.model, arguments.backend, arguments.dtype)
    logits = logits_of(model, x, lengths, str(source))
    class_names = class_names_of(model) or tuple(str(number) for number in range(logits.shape[-1]))
    to_bytes = _as_csv if out.suffix.lower() == ".csv" else _as_npz
    write_file(out, to_bytes(logits, class_names))
    print(f"wrote {arguments.out}: {len(logits)} rows, {len(class_names)} classes")
    return 0


def softmax(logits: NumpyArray) -> NumpyArray:
    """Return the probabilities that logits stand for, along the last axis."""
    y: NumpyArray = np.exp(logits - logits.max(axis=-1, keepdims=True))
    y /= y.sum(axis=-1, keepdims=True)
    return y


def _read(path: Path) -> tuple[NumpyArray, NumpyArray | None]:
    arrays = read_arrays(path, ("x", "lengths", "y", "class_names"))
    if "x" not in arrays:
        raise DataError(f"{str(path)!r}: holds no array 'x'; there are {', '.join(arrays) or 'none'}")
    x = check_sequences(arrays["x"], f"{str(path)!r}: x")
    return x, check_lengths(arrays.get("lengths"), x, f"{str(path)!r}: lengths", f"{str(path)!r}: x")


def _as_csv(logits: NumpyArray, class_names: Sequence[str]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["row", "label", *class_names])
    for row, (label, probabilities) in enumerate(zip(logits.argmax(axis=-1), softmax(logits), strict=True)):
        # str of a NumPy number is the shortest that reads back as the same.
        writer.writerow([row, class_names[label], *(str(value) for value in probabilities)])
    return text.getvalue().encode()


def _as_npz(logits: NumpyArray, class_names: Sequence[str]) -> bytes:
    content = io.BytesIO()
    np.savez(
        content,
        labels=logits.argmax(axis=-1),
        probabilities=softmax(logits),
        logits=logits,
        class_names=np.array(class_names),
    )
    return content.getvalue()
