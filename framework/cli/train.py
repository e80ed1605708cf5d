"""``lamina train``: trains a recurrent model, tells how well it does on the test part, and keeps it."""

from __future__ import annotations

import argparse
from typing import Any

from lamina import recipes
from lamina.cli.data import FILE_HELP
from lamina.cli.memory import add_memory
from lamina.cli.options import (
    add_backend,
    add_columns,
    add_dtype,
    command,
    positive_int,
    positive_number,
    seed,
    share,
    steps_or_text,
)

__all__ = ["add", "run"]

TASKS = ("classify", "tag", "regress", "forecast")

_DETAILS = f"""\
--task classify tells a class of each row, tag one of each step, regress numbers of each row, forecast the next
steps of a series from those before.

DATA is a data set that ships with Lamina (digits, japanese-vowels; sunspots to forecast) or a .npz, .csv or .ts file.

{FILE_HELP} Without a test part, a fifth of each class, or of the rows, drawn with --seed, is
held out, or the last fifth of each series; `lamina evaluate` finds the same rows again. --validation holds out a
share of what is left, by which --patience ends training, with the best epoch's weights.

The model is a recurrent cell, or a stack of them, whose last state, or to tag each one, goes to a Dense layer; to
forecast, the window itself does too. Targets that are numbers are learned standardized, and the model gives them in
their units. Its features are
standardized with the mean and deviation of the training rows, by a layer of the model, so that the saved one takes
features as they are in the file. The test part has no say in training. Steps too small to be shared run on
one thread, unless OPENBLAS_NUM_THREADS or the like is set.

Written to --out, each replaced as a whole: model.safetensors, history.csv, and history.png where matplotlib is
installed. Ctrl-C, or SIGTERM, ends training early and keeps what is trained so far. Of several --seeds, the model
is kept that does best on the validation part, or the first where there is none.

With --checkpoint the same command goes on with a run that was killed, to the same numbers, and trains nothing once
it is finished. Below --out, checkpoint/ has the last two states, and best.safetensors, the best epoch's model."""

_EXAMPLES = """\
lamina train japanese-vowels
lamina train japanese-vowels --cell gru --bidirectional --units 64
lamina train digits --optimizer adam --epochs 20 --out runs/digits-adam
lamina train japanese-vowels --validation 0.2 --patience 10 --seeds 3 --out runs/vowels-seeds
lamina train japanese-vowels --epochs 2000 --checkpoint --every "10 minutes"
lamina train sunspots --task forecast --horizon 11 --season 11
mpiexec -n 4 lamina train digits --distributed
"""


def add(commands: Any) -> None:
    """Describe the command to argparse."""
    summary = "Train a recurrent model of sequences and save it."
    parser = command(commands, "train", run, summary, _DETAILS, _EXAMPLES)
    cells = ", ".join(recipes.CELLS)
    of_numbers = [
        f"{one}, to tell numbers {other}"
        for one, other in (
            (next(iter(recipes.CELLS)), recipes.NUMBERS_CELL),
            (recipes.UNITS, recipes.NUMBERS_UNITS),
        )
    ]
    add_option = parser.add_argument
    add_option("data", metavar="DATA", help="a data set's name, or a FILE.npz, .csv or .ts")
    add_option("--task", choices=TASKS, default=TASKS[0], help="what to tell (default: %(default)s)")
    add_option("--test", metavar="FILE", help="a second file, with the rows to test on")
    add_option("--cell", metavar="NAME", help=f"{cells} (default: {of_numbers[0]})")
    add_option("--units", metavar="N", type=positive_int, help=f"default: {of_numbers[1]}")
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
    add_option("--seeds", metavar="N", type=positive_int, default=1, help="how many models, from --seed on, to train")
    held = "share of the rows to train on to validate on (default: %(default)s)"
    add_option("--validation", metavar="SHARE", type=share, default=0.0, help=held)
    patience = "epochs without a lower validation loss, after which to stop"
    add_option("--patience", metavar="N", type=positive_int, help=patience)
    add_option("--horizon", metavar="N", type=positive_int, help="steps to forecast (default: 1)")
    add_option("--window", metavar="N", type=positive_int, help="steps to forecast from")
    add_option("--season", metavar="N", type=positive_int, help="after how many steps a series repeats itself")
    kept = "keep the run in --out, so that the same command made again goes on where it ended, however it did"
    add_option("--checkpoint", action="store_true", help=kept)
    when = "how often: a number of steps, or such as '2 epochs', '10 minutes' (default: after each epoch)"
    add_option("--every", metavar="WHEN", type=steps_or_text, help=when)
    several = "train on all processes that mpiexec started, over %(const)s or another engine: see the last example"
    add_option("--distributed", nargs="?", const="mpi", metavar="ENGINE", help=several)
    waits = "after which a rank for which the others wait is taken as hung (default: 50)"
    add_option("--timeout", metavar="SECONDS", type=positive_number, help=waits)
    add_option("--out", metavar="FOLDER", help="where the results go (default: runs/ and the name of the data)")
    add_memory(parser)
    add_columns(parser)


def run(arguments: argparse.Namespace) -> int:
    """Train; return the exit code."""
    from lamina.cli.training_job import train

    return train(arguments)
