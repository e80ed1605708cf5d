"""``lamina train``: trains a recurrent classifier, tells its accuracy on the test part, and keeps the model."""

from __future__ import annotations

import argparse
from typing import Any

from lamina.cli import recipes
from lamina.cli.data import FILE_HELP
from lamina.cli.options import add_backend, add_dtype, command, positive_int, positive_number, seed, share

__all__ = ["add", "run"]

_DETAILS = f"""\
DATA is a data set that ships with Lamina (digits, japanese-vowels) or a .npz file.

{FILE_HELP} Without a test part, a fifth of each class, drawn with --seed, is
held out; `lamina evaluate` finds the same rows again.

The model is a recurrent cell, or a stack of them, whose last state goes to a Dense layer. Its features are
standardized with the mean and deviation of the training rows, by a layer of the model, so that the saved one takes
features as they are in the file. The test part has no say in training. Steps too small to be shared run on
one thread, unless OPENBLAS_NUM_THREADS or the like is set.

Written to --out, each replaced as a whole: model.safetensors, history.csv, and history.png where matplotlib is
installed. Ctrl-C ends training early and keeps what is trained so far."""

_EXAMPLES = """\
lamina train japanese-vowels
lamina train japanese-vowels --cell gru --bidirectional --units 64
lamina train digits --optimizer adam --epochs 20 --out runs/digits-adam
"""


def add(commands: Any) -> None:
    """Describe the command to argparse."""
    summary = "Train a recurrent classifier of sequences and save it."
    parser = command(commands, "train", run, summary, _DETAILS, _EXAMPLES)
    cells = ", ".join(recipes.CELLS)
    add_option = parser.add_argument
    add_option("data", metavar="DATA", help="digits, japanese-vowels or FILE.npz")
    add_option("--cell", metavar="NAME", default=next(iter(recipes.CELLS)), help=f"{cells} (default: %(default)s)")
    add_option("--units", metavar="N", type=positive_int, default=recipes.UNITS, help="default: %(default)s")
    add_option("--layers", metavar="N", type=positive_int, default=1, help="cells in a stack (default: %(default)s)")
    add_option("--bidirectional", action="store_true", help="read in both directions, with --units for each")
    dropped = "share of each cell's outputs to leave out in training (default: %(default)s)"
    add_option("--dropout", metavar="RATE", type=share, default=0.0, help=dropped)
    optimizers = ", ".join(name.lower() for name in recipes.optimizer_names())
    add_option("--optimizer", metavar="NAME", default=recipes.OPTIMIZER, help=f"{optimizers} (default: %(default)s)")
    rates = ", ".join(f"{rate} with {name}" for name, rate in recipes.rates().items())
    first = f"of the first epoch (default: {rates}; else the optimizer's own)"
    add_option("--learning-rate", metavar="RATE", type=positive_number, help=first)
    schedules = f"how the rate changes: {', '.join(recipes.SCHEDULES)} (default: %(default)s)"
    add_option("--schedule", metavar="NAME", default=recipes.SCHEDULE, help=schedules)
    add_option("--epochs", metavar="N", type=positive_int, default=recipes.EPOCHS, help="default: %(default)s")
    add_option("--batch-size", metavar="N", type=positive_int, default=recipes.BATCH_SIZE, help="default: %(default)s")
    add_backend(parser)
    add_dtype(parser, "float32")
    add_option("--seed", metavar="N", type=seed, default=0, help="same seed, same run (default: %(default)s)")
    add_option("--out", metavar="FOLDER", help="where the results go (default: runs/ and the name of the data)")


def run(arguments: argparse.Namespace) -> int:
    """Train; return the exit code."""
    from lamina.cli.training_job import train

    return train(arguments)
