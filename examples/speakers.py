"""Speaker identification: a bidirectional GRU tells nine men apart by how they say one vowel.

Run it with ``python examples/speakers.py``. It takes a few seconds, prints the test accuracy for five seeds, and
draws ``speakers.png`` with matplotlib (``pip install -e '.[plot]'``).

The data are Japanese Vowels: 270 recordings to train on and 370 to test on, of 7 to 29 steps. The settings were chosen
by five-fold cross-validation on the 270; the test part has no say in them.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import lamina
from lamina.files import require_writable
from lamina.layers import GRU, Dense
from lamina.losses import SoftmaxCrossEntropy
from lamina.optimizers import SGD, LinearDecay


def standardized(data: lamina.datasets.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Return both parts with mean 0 and deviation 1 in every feature of the training part's valid steps."""
    steps = data.x_train[np.arange(data.x_train.shape[1]) < data.lengths_train[:, None]]
    mean, deviation = steps.mean(axis=0), steps.std(axis=0)
    return (data.x_train - mean) / deviation, (data.x_test - mean) / deviation


def predictions(data: lamina.datasets.Dataset, epochs: int, seed: int) -> np.ndarray:
    """Train on the training part; return the speakers it takes those of the test part for: (370,)."""
    x_train, x_test = standardized(data)
    model = lamina.Sequential(lamina.Bidirectional(GRU(64)), Dense(9))
    model.build((None, None, x_train.shape[2]), seed=seed)
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.003, clip_norm=1.0)
    loss = SoftmaxCrossEntropy(label_smoothing=0.1)
    trainer = lamina.Trainer(model, loss, optimizer, callbacks=LinearDecay(epochs), seed=seed)
    trainer.fit(x_train, data.y_train, lengths=data.lengths_train, epochs=epochs, batch_size=32, verbose=False)
    return trainer.predict(x_test, lengths=data.lengths_test).argmax(axis=-1)


def draw(path: Path, confusion: np.ndarray, seeds: int, accuracy: float) -> None:
    """Draw how often each speaker was taken for which."""
    shares = confusion / confusion.sum(axis=1, keepdims=True)
    figure = Figure(figsize=(6.4, 5.6), layout="constrained", facecolor="white")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(confusion):
        if count:
            color = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(count), ha="center", va="center", color=color, fontsize=10)
    names = range(1, len(confusion) + 1)
    axes.set_xticks(range(len(confusion)), names)
    axes.set_yticks(range(len(confusion)), names)
    axes.set(xlabel="speaker it was taken for", ylabel="speaker")
    axes.set_title(f"Test recordings, counted over {seeds} seed{'s' * (seeds > 1)}: {accuracy:.1%} right")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    figure.colorbar(image, label="share of the speaker's recordings", shrink=0.85)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Train with several seeds, print how well each does, and draw where they err."""
    parser = argparse.ArgumentParser(description="Tell nine speakers apart with a bidirectional GRU.")
    parser.add_argument("--epochs", type=int, default=50, help="default: %(default)s")
    parser.add_argument("--seeds", type=int, default=5, help="how many networks to train (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the picture (default: this one)")
    arguments = parser.parse_args()
    path = arguments.out / "speakers.png"
    require_writable(path)  # before the work, not after it

    data = lamina.datasets.japanese_vowels()
    print(data)
    confusion, accuracies = np.zeros((9, 9), int), []
    for seed in range(arguments.seeds):
        started = time.perf_counter()
        found = predictions(data, arguments.epochs, seed)
        np.add.at(confusion, (data.y_test, found), 1)
        right = int((found == data.y_test).sum())
        accuracies.append(right / len(found))
        seconds = time.perf_counter() - started
        print(f"seed {seed}: test accuracy {accuracies[-1]:.1%} ({right} of {len(found)}), {seconds:.1f} s")
    mean = float(np.mean(accuracies))
    print(f"mean test accuracy {mean:.1%}")
    draw(path, confusion, arguments.seeds, mean)
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
