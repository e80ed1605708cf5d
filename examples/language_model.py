"""A language model of characters, trained on the English of Python's own help, that writes some of its own.

Run it with ``python examples/language_model.py``. It takes about two minutes, prints how well it foresees text that
it has not seen, and samples; and draws ``language_model.png`` with matplotlib (``pip install -e '.[plot]'``).

The text is what ``help("topics")`` shows, each paragraph once, as the topics repeat each other: 373 thousand characters
with Python 3.11. The last tenth is held out. The rest is cut into 32 rows that are read side by side, from start to
end: every 50 characters the LSTM's weights are changed, and its state goes on, without a gradient (truncated
backpropagation through time).
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from pydoc_data import topics

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

import lamina
from lamina.files import require_writable
from lamina.layers import LSTM, Dense, Embedding
from lamina.optimizers import Adam, LinearDecay

ROWS = 32
STEPS = 50


def read_text() -> str:
    """Return the help's text, each paragraph where it comes first."""
    paragraphs = "\n\n".join(topics.topics.values()).split("\n\n")
    return "\n\n".join(dict.fromkeys(paragraphs))


def in_rows(codes: np.ndarray, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut a text in rows; return them, and what follows each character: both (rows, time)."""
    used = (len(codes) - 1) // rows * rows
    return codes[:used].reshape(rows, -1), codes[1 : used + 1].reshape(rows, -1)


def sample(model: lamina.Layer, alphabet: str, start: str, length: int, temperature: float, seed: int) -> str:
    """Go on from a text, each character drawn with the odds that the model gives it."""
    rng, stream = np.random.default_rng(seed), lamina.Stream(model)
    text, unread = start, start
    for _ in range(length):
        logits = stream([[alphabet.index(character) for character in unread]])[0, -1] / temperature
        odds = np.exp(logits - logits.max(), dtype="float64")
        unread = alphabet[rng.choice(len(alphabet), p=odds / odds.sum())]
        text += unread
    return text


def draw(path: Path, history: lamina.History, characters: int) -> None:
    """Draw how the bits per character fell."""
    figure = Figure(figsize=(7, 4.2), layout="constrained", facecolor="white")
    axes = figure.subplots()
    for key, label, color in (("loss", "read, mean while training", "#3b6fb6"), ("val_loss", "held out", "#d9722e")):
        bits = np.array(history[key]) / math.log(2)
        axes.plot(
            history.epochs, bits, color=color, linewidth=2, marker="o", label=f"{label}: {bits[-1]:.2f} at the end"
        )
    axes.set(xlabel=f"epoch ({characters:,} characters)", ylabel="bits per character")
    axes.set_title("A language model of Python's help, on text read and held out")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Train, measure and write."""
    parser = argparse.ArgumentParser(description="Train a character language model on Python's help, and let it write.")
    parser.add_argument("--epochs", type=int, default=10, help="default: %(default)s")
    parser.add_argument("--units", type=int, default=256, help="default: %(default)s")
    parser.add_argument("--characters", type=int, help="use only so many of the text (default: all)")
    parser.add_argument("--temperature", type=float, default=0.7, help="of the samples (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the picture (default: this one)")
    arguments = parser.parse_args()
    path = arguments.out / "language_model.png"
    require_writable(path)  # before the work, not after it

    text = read_text()[: arguments.characters]
    alphabet = "".join(sorted(set(text)))
    place = {character: index for index, character in enumerate(alphabet)}
    codes = np.array([place[character] for character in text])
    count = len(codes) * 9 // 10
    training, held_out = codes[:count], codes[count:]
    print(f"{len(training):,} characters to train on, {len(held_out):,} held out, {len(alphabet)} different ones")

    started = time.perf_counter()
    model = lamina.Sequential(
        Embedding(len(alphabet), 64),
        LSTM(arguments.units, return_sequences=True),
        Dense(len(alphabet)),
    )
    model.build((None, None), seed=arguments.seed)
    optimizer = Adam(model.parameters(), lr=0.005, clip_norm=1.0)
    trainer = lamina.Trainer(model, optimizer=optimizer, callbacks=LinearDecay(arguments.epochs), seed=arguments.seed)
    x, y = in_rows(training, ROWS)
    held_x, held_y = in_rows(held_out, 1)
    history = trainer.fit(
        x, y, epochs=arguments.epochs, batch_size=ROWS, truncate=STEPS, shuffle=False, validation_data=(held_x, held_y)
    )
    bits = trainer.evaluate(held_x, held_y)["loss"] / math.log(2)
    print(f"trained in {time.perf_counter() - started:.0f} s; {bits:.3f} bits per character on the held-out text")
    for seed, start in enumerate(("The ", "If the ", "class ")):
        print(f"\n--- sample {seed + 1}\n{sample(model, alphabet, start, 300, arguments.temperature, seed)}")
    draw(path, history, len(training))
    print(f"\nwrote {path}")


if __name__ == "__main__":
    main()
