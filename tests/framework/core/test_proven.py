"""What was proven once is not looked at again: by identity, for one purpose, and only while a call or a step runs."""

import threading
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.core import shapes
from lamina.core.proven import Proofs, proofs
from lamina.errors import DataError, ShapeError
from lamina.layers import Conv1D, Dense, SimpleRNN


def test_nothing_is_noted_outside_and_everything_forgotten_after() -> None:
    own, value = Proofs(), np.ones(2)
    own.note(value, 3)
    assert not own.has(value, 3)
    with own:
        own.note(value, 3)
        with own:
            assert own.has(value, 3)
        assert own.has(value, 3)
        assert not own.has(value, 4)
        assert not own.has(value.copy(), 3)
    assert not own.has(value, 3)


def test_another_thread_knows_nothing_of_it() -> None:
    value, seen = np.ones(2), []
    with proofs:
        proofs.note(value, 3)
        thread = threading.Thread(target=lambda: seen.append(proofs.has(value, 3)))
        thread.start()
        thread.join()
        assert proofs.has(value, 3)
    assert seen == [False]


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every array of lengths that is really looked at."""
    seen: list[Any] = []
    real = np.asarray

    class Watched:
        def __getattr__(self, name: str) -> Any:
            return getattr(np, name)

        def asarray(self, value: Any, *rest: Any) -> Any:
            seen.append(value)
            return real(value, *rest)

    monkeypatch.setattr(shapes, "np", Watched())
    return seen


def deep() -> lamina.Sequential:
    model = lamina.Sequential(
        SimpleRNN(3, return_sequences=True),
        lamina.Sequential(SimpleRNN(3, return_sequences=True), lamina.Residual(SimpleRNN(3, return_sequences=True))),
        lamina.layers.LastStep(),
        Dense(2),
    )
    model.build((None, None, 2), seed=0)
    return model


@pytest.mark.parametrize("use", ["forward", "call"])
def test_lengths_are_looked_at_once_however_deep_the_model(looks: list[Any], use: str) -> None:
    x, lengths = np.ones((2, 4, 2), "float32"), np.array([4, 1])
    model = deep()
    model.forward(x, lengths=lengths) if use == "forward" else model(x, lengths=lengths)
    assert len(looks) == 1
    lengths[1] = 9  # the caller's own array: the next call looks again
    with pytest.raises(ShapeError, match="expected lengths from 0 to 4, got 9 at row 1"):
        model.forward(x, lengths=lengths)


def test_other_lengths_on_the_way_are_looked_at(looks: list[Any]) -> None:
    model = lamina.Sequential(Conv1D(2, 2, padding="valid"), SimpleRNN(3))
    model.build((None, None, 2), seed=0)
    model.forward(np.ones((2, 4, 2), "float32"), lengths=np.array([4, 2]))
    assert [list(value) for value in looks] == [[4, 2], [3, 1]]


class Shortening(lamina.Layer):
    """Hands lengths of its own on, wrong ones."""

    def __init__(self) -> None:
        self.inner = SimpleRNN(2)

    def build(self, shape: Any) -> Any:
        return self.inner.build(shape)

    def output_lengths(self, lengths: Any) -> Any:
        return None

    def forward(self, x: Any, lengths: Any = None) -> Any:
        return self.inner.forward(x, lengths=[99] * len(x))


def test_what_a_layer_makes_itself_is_not_taken_on_trust() -> None:
    layer = Shortening()
    layer.build((None, None, 2), seed=0)
    with pytest.raises(ShapeError, match="expected lengths from 0 to 4, got 99 at row 0"):
        layer.forward(np.ones((2, 4, 2), "float32"), lengths=np.array([4, 2]))


def test_a_trainers_labels_are_looked_at_before_training_and_not_at_every_step() -> None:
    looked = []

    class Watched(lamina.losses.SoftmaxCrossEntropy):
        def check_target(self, *arguments: Any, **options: Any) -> None:
            looked.append(arguments[0].shape)
            super().check_target(*arguments, **options)

    model = deep()
    trainer = lamina.Trainer(model, Watched(), "sgd")
    x, y, lengths = np.ones((6, 4, 2)), np.array([0, 1] * 3), np.array([4, 1, 2, 3, 4, 1])
    trainer.fit(x, y, lengths=lengths, epochs=3, batch_size=2, verbose=False)
    assert looked == [(6,)]
    trainer.evaluate(x, y, lengths=lengths, batch_size=2)
    assert looked == [(6,), (6,)]
    with pytest.raises(DataError):
        trainer.loss.forward(model(x), [7] * 6)


def test_a_loss_that_hands_on_other_labels_has_them_looked_at() -> None:
    class Shifted(lamina.losses.SoftmaxCrossEntropy):
        def check_target(self, *arguments: Any, **options: Any) -> None:
            if not self.backend:  # as it would be for a class that checks nothing before training
                super().check_target(*arguments, **options)

        def forward(self, prediction: Any, target: Any, lengths: Any = None, mask: Any = None) -> Any:
            inner = lamina.losses.SoftmaxCrossEntropy()
            loss, saved = inner.forward(prediction, target + 5, lengths, mask)
            return loss, (inner, saved)

    trainer = lamina.Trainer(deep(), Shifted(), "sgd")
    with pytest.raises(DataError, match="expected labels from 0 to 1, got 5"):
        trainer.fit(np.ones((2, 4, 2)), [0, 1], epochs=1, verbose=False)
