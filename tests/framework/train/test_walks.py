"""Training walks a model's attributes once a fit: never in an epoch, never in a step."""

from typing import Any

import numpy as np
import pytest

import lamina
from lamina.core import tree
from lamina.layers import BatchNorm, Dense, Dropout, Embedding, LastStep, SimpleRNN


class Reader(lamina.Layer):
    """A container of one's own, over integers: what it reads is asked at every step."""

    def __init__(self) -> None:
        self.parts = [Embedding(9, 3), SimpleRNN(4, return_sequences=True)]

    def build(self, shape: Any) -> Any:
        return self.parts[1].build(self.parts[0].build(shape))

    def forward(self, x: Any, lengths: Any = None) -> Any:
        rows, first = self.parts[0].forward(x)
        y, second = self.parts[1].forward(rows, lengths=lengths)
        return y, (first, second)

    def backward(self, dy: Any, saved: Any) -> Any:
        first, second = saved
        return self.parts[0].backward(self.parts[1].backward(dy, second), first)


def words() -> lamina.Sequential:
    return lamina.Sequential(Reader(), Dropout(0.1), LastStep(), Dense(2))


def sequences() -> lamina.Sequential:
    inner = lamina.Sequential(SimpleRNN(3, return_sequences=True), BatchNorm())
    both = lamina.Bidirectional(SimpleRNN(2, return_sequences=True))
    return lamina.Sequential(lamina.Residual(inner), both, lamina.Concat(Dense(2), Dense(3)), LastStep(), Dense(2))


X = np.random.default_rng(0).standard_normal((16, 5, 3))
Y = np.arange(16) % 2
LENGTHS = np.arange(16) % 5 + 1


def walks(
    monkeypatch: pytest.MonkeyPatch, model: lamina.Layer, x: Any, epochs: int, batch_size: int, **options: Any
) -> int:
    """Return how often attributes are gone through in the second fit of a model."""
    average = lamina.WeightAverage(model)
    trainer = lamina.Trainer(model, "softmax_cross_entropy", "adam", metrics="accuracy", callbacks=average, **options)
    fit: dict[str, Any] = {"lengths": LENGTHS, "validation_data": (x, Y, LENGTHS), "verbose": False}
    trainer.fit(x, Y, epochs=1, **fit)
    count = 0
    real = tree._attributes

    def counted(layer: Any) -> Any:
        nonlocal count
        count += 1
        return real(layer)

    with monkeypatch.context() as patch:
        patch.setattr(tree, "_attributes", counted)
        trainer.fit(x, Y, epochs=epochs, batch_size=batch_size, **fit)
    return count


@pytest.mark.parametrize("options", [{}, {"check_finite": True}, {"accumulate": 2}], ids=str)
@pytest.mark.parametrize(("make", "x"), [(words, X[:, :, 0].astype(int) % 9), (sequences, X)])
def test_epochs_and_steps_walk_no_attributes(
    monkeypatch: pytest.MonkeyPatch, make: Any, x: Any, options: dict[str, Any]
) -> None:
    once = walks(monkeypatch, make(), x, 1, 16, **options)
    assert 0 < once == walks(monkeypatch, make(), x, 4, 2, **options)
