"""First weights, the same for all contestants, by Lamina's names."""

from __future__ import annotations

import numpy as np

__all__ = ["CLASSES", "GATES", "KINDS", "Weights", "first_weights", "glorot"]

KINDS = ("SimpleRNN", "GRU", "LSTM")
GATES = {"SimpleRNN": 1, "GRU": 3, "LSTM": 4}
CLASSES = 10

Weights = dict[str, np.ndarray]


def glorot(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """Return weights drawn as Lamina and Keras do by default: (rows, columns)."""
    limit = np.sqrt(6 / (rows + columns))
    return rng.uniform(-limit, limit, (rows, columns))


def first_weights(kind: str, features: int, units: int, classes: int = CLASSES, place: int = 0) -> Weights:
    """Return weights of a recurrent layer and the Dense layer after it, by Lamina's names.

    They are drawn as Lamina and Keras do by default, but for biases other than 0, whose gradients and places would
    else go unnoticed.

    Parameters
    ----------
    kind : str
    features, units, classes : int
    place : int
        The recurrent layer's place in the model, with which its parameters' names begin.
    """
    rng = np.random.default_rng(1)
    gates = GATES[kind]
    weights = {
        f"{place}.w_x": glorot(rng, features, gates * units),
        f"{place}.w_h": np.concatenate(
            [np.linalg.qr(rng.standard_normal((units, units)))[0] for _ in range(gates)], axis=1
        ),
        f"{place}.b": rng.normal(0, 0.1, gates * units),
        f"{place + 1}.w": glorot(rng, units, classes),
        f"{place + 1}.b": rng.normal(0, 0.1, classes),
    }
    if kind == "LSTM":
        weights[f"{place}.b"][units : 2 * units] += 1  # the forget gate's
    if kind == "GRU":
        weights[f"{place}.b_h"] = rng.normal(0, 0.1, units)
    return {name: np.ascontiguousarray(array, np.float32) for name, array in weights.items()}
