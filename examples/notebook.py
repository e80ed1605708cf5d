"""The notebook that Lamina grew from: a SimpleRNN's forward pass, then a classifier trained by hand.

Run it with ``python examples/notebook.py``.
"""

from __future__ import annotations

import numpy as np

import lamina
from lamina.initializers import Normal
from lamina.layers import Dense, SimpleRNN


def forward_pass() -> np.ndarray:
    """Return the last state of a SimpleRNN with given weights: (1, 4)."""
    x = np.array([[[1, 2], [2, 3], [3, 4]]]) / 100
    rnn = SimpleRNN(4)
    rnn.build((None, None, 2), dtype="float64")
    rnn.w_x.data = np.array([[1, 3, 5, 7], [3, 5, 7, 8]]) / 100
    rnn.w_h.data = np.array([[1, 3, 5, 7], [2, 4, 6, 8], [3, 5, 7, 8], [4, 6, 8, 10]]) / 100
    rnn.b.data = np.array([1, 1, 1, 1])
    return rnn(x)


def classifier(epochs: int = 20, seed: int = 1) -> list[float]:
    """Train a two-class classifier on the whole batch and return the loss before every update, and after all.

    Parameters
    ----------
    epochs : int
    seed : int
        Of the first weights, drawn as 0.01 * randn.
    """
    x = np.array([[[1, 2], [2, 3], [3, 4]], [[2, 1], [3, 2], [4, 3]]]) / 100
    target = np.array([[1, 0], [0, 1]])

    small = Normal(0.01)
    model = lamina.Sequential(
        SimpleRNN(4, w_x_initializer=small, w_h_initializer=small, b_initializer="ones"),
        Dense(2, w_initializer=small),
    )
    model.build(x.shape, dtype="float64", seed=seed)
    loss = lamina.losses.SoftmaxCrossEntropy()
    optimizer = lamina.optimizers.SGD(model.parameters(), lr=0.1)

    losses = []
    for _ in range(epochs):
        optimizer.zero_grad()
        logits, saved = model.forward(x)
        value, loss_saved = loss.forward(logits, target)
        model.backward(loss.backward(loss_saved), saved)
        optimizer.step()
        losses.append(float(value))
    losses.append(loss(model(x), target))
    return losses


def main() -> None:
    """Print both."""
    with np.printoptions(precision=8):
        print("h_T =", forward_pass())
    losses = classifier()
    print(f"loss at the start {losses[0]:.4f}, at the end {losses[-1]:.4f}")


if __name__ == "__main__":
    main()
