"""The cases of the embedding."""

from __future__ import annotations

import numpy as np

from lamina.compose.sequential import Sequential
from lamina.layers import LSTM, Dense, Embedding
from lamina.testing.cases.case import LayerCase, layer_case

__all__ = ["layer_cases"]


def layer_cases() -> tuple[LayerCase, ...]:
    """Return the cases, of ids that repeat, and of rows that no id names."""
    rng = np.random.default_rng(3)
    ids, every = rng.integers(0, 20, (5, 4)), rng.permutation(20).reshape(5, 4)
    # NumPy adds the rows of many ids, few of which repeat, in another way than those of few.
    many = np.concatenate([rng.permutation(56), [3, 3, 7, 8]]).reshape(5, 12)
    return (
        layer_case("Embedding", lambda: Embedding(20, 3), ids),
        layer_case("Embedding-every-row", lambda: Embedding(20, 3), every),
        layer_case("Embedding-many", lambda: Embedding(60, 3), many),
        layer_case("Embedding-dense", lambda: Embedding(20, 3, row_wise=False), ids),
        layer_case("Embedding-rows", lambda: Embedding(20, 3), ids[:, 0]),
        layer_case(
            "Sequential-embedding",
            lambda: Sequential(Embedding(20, 3), LSTM(4, return_sequences=True), Dense(20)),
            ids,
        ),
    )
