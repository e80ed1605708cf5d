"""A sweep: cross-validation over cells, units and rates, in two processes, and a test of what did best.

Run it with ``python examples/sweep.py`` (``pip install -e '.[sklearn]'`` brings joblib). It takes some ten seconds,
prints the mean accuracy of each setting over the folds, best first, and the test accuracy of the best one, trained on
all folds.

The data are Japanese Vowels: 270 recordings to train on and 370 to test on, by nine speakers. Each fold holds out the
same share of each speaker's recordings, and the test part has no say in what is chosen. In whichever process a setting
is trained, it comes to the same.
"""

from __future__ import annotations

import argparse
from itertools import product

import numpy as np
from joblib import Parallel, delayed

import lamina
from lamina.layers import GRU, LSTM, Dense, SimpleRNN, Standardize
from lamina.optimizers import SGD, LinearDecay

CELLS = {"simple_rnn": SimpleRNN, "lstm": LSTM, "gru": GRU}
FOLDS = 3


def accuracy(cell: str, units: int, rate: float, train: tuple, test: tuple, epochs: int) -> float:
    """Train on some recordings, (x, y, lengths), and return the share of others that is told right."""
    model = lamina.Sequential(Standardize(), CELLS[cell](units), Dense(9))
    trainer = lamina.Trainer(
        model,
        optimizer=lambda own: SGD(own, lr=rate, momentum=0.9, weight_decay=0.003, clip_norm=1.0),
        metrics="accuracy",
        callbacks=LinearDecay(epochs),
    )
    trainer.fit(train[0], train[1], lengths=train[2], epochs=epochs, verbose=False)
    return trainer.evaluate(test[0], test[1], lengths=test[2])["accuracy"]


def main() -> None:
    """Cross-validate all settings, and test the best."""
    parser = argparse.ArgumentParser(description="Sweep over settings by cross-validation, in parallel.")
    parser.add_argument("--epochs", type=int, default=15, help="default: %(default)s")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: %(default)s)")
    arguments = parser.parse_args()

    data = lamina.datasets.japanese_vowels()
    train, test = ((data.x_train, data.y_train, data.lengths_train), (data.x_test, data.y_test, data.lengths_test))
    fold = np.empty(len(data.y_train), int)
    fold[np.argsort(data.y_train, kind="stable")] = np.arange(len(fold)) % FOLDS
    kept = [tuple(tuple(part[rows] for part in train) for rows in (fold != k, fold == k)) for k in range(FOLDS)]

    settings = list(product(CELLS, (32, 64), (0.02, 0.1)))
    jobs = [delayed(accuracy)(*one, *parts, arguments.epochs) for one in settings for parts in kept]
    found = np.reshape(Parallel(n_jobs=arguments.workers)(jobs), (len(settings), FOLDS)).mean(axis=1)
    for place in np.argsort(-found, kind="stable"):
        cell, units, rate = settings[place]
        print(f"{cell:10} {units:3d} units, rate {rate:4}: {found[place]:.1%} of what was held out")
    best = settings[found.argmax()]
    print(f"test accuracy of the best: {accuracy(*best, train, test, arguments.epochs):.1%}")


if __name__ == "__main__":
    main()
