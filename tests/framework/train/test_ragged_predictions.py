"""What a trainer predicts for a list of sequences: rows of their own lengths, equal to each row alone."""

from typing import Any

import numpy as np
import pytest

import lamina
from lamina import Bidirectional, Residual
from lamina.layers import GRU, LSTM, Dense, Embedding, LayerNorm, PositionalEncoding, Sigmoid

RNG = np.random.default_rng(0)
LENGTHS = (3, 1, 6, 2, 6)
ROWS = [RNG.standard_normal((length, 3)) for length in LENGTHS]


class Pair(lamina.Composite):
    """Two inputs and three outputs, of which one has no time axis."""

    def __init__(self) -> None:
        self.left, self.right, self.last = Dense(2), GRU(3, return_sequences=True), LSTM(2)

    def compose(self, t: Any, a: Any, b: Any) -> Any:
        return t(self.left, a), t(self.right, b), t(self.last, b)


MODELS = {
    "dense": lambda: lamina.Sequential(Dense(2), Sigmoid()),
    "recurrent": lambda: lamina.Sequential(LSTM(4, return_sequences=True), LayerNorm(), Dense(2)),
    "bidirectional": lambda: lamina.Sequential(Bidirectional(GRU(2, return_sequences=True)), Dense(2)),
    "residual": lambda: lamina.Sequential(PositionalEncoding(), Residual(Dense(3)), Sigmoid()),
}


@pytest.mark.parametrize("batch_size", [1, 2, 256])
@pytest.mark.parametrize("name", MODELS)
def test_a_list_gives_a_list_of_rows_as_each_gives_alone(name: str, batch_size: int) -> None:
    model = MODELS[name]()
    model.build((None, None, 3), dtype="float64", seed=0)
    got = lamina.Trainer(model).predict(ROWS, batch_size=batch_size)
    assert isinstance(got, list)
    for row, own in zip(ROWS, got, strict=True):
        np.testing.assert_allclose(own, model(row[None])[0], rtol=1e-12, atol=1e-13)


def test_an_array_with_lengths_gives_an_array_with_zeros_past_them() -> None:
    model = MODELS["dense"]()
    model.build((None, None, 3), dtype="float64", seed=0)
    padded = np.zeros((len(ROWS), 6, 3))
    for row, own in zip(padded, ROWS, strict=True):
        row[: len(own)] = own
    got = lamina.Trainer(model).predict(padded, lengths=LENGTHS)
    rows = lamina.Trainer(model).predict(ROWS)
    for length, own, row in zip(LENGTHS, got, rows, strict=True):
        np.testing.assert_array_equal(own[:length], row)
        assert not own[length:].any()


def test_integers_and_outputs_without_a_time_axis() -> None:
    model = lamina.Sequential(Embedding(9, 2), GRU(3))
    model.build((None, None), dtype="float64", seed=0)
    ids = [RNG.integers(9, size=length) for length in LENGTHS]
    got = lamina.Trainer(model).predict(ids)
    assert got.shape == (5, 3)
    np.testing.assert_allclose(got, np.concatenate([model(own[None]) for own in ids]), rtol=1e-12)


def test_each_of_several_outputs_has_the_lengths_of_its_own_input() -> None:
    model = Pair()
    model.build((None, None, 3), (None, None, 3), dtype="float64", seed=0)
    others = [RNG.standard_normal((length, 3)) for length in (2, 4, 1, 5, 3)]
    left, right, last = lamina.Trainer(model).predict((ROWS, others))
    for row, (a, b) in enumerate(zip(ROWS, others, strict=True)):
        alone = model(a[None], b[None])
        for own, expected in zip((left[row], right[row], last[row]), alone, strict=True):
            np.testing.assert_allclose(own, expected[0], rtol=1e-12, atol=1e-13)
