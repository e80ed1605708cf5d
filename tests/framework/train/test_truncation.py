"""Truncated backpropagation through time: chunks, states between them, and what may be cut."""

from typing import Any

import numpy as np
import pytest

from lamina import Bidirectional, Composite, Concat, Residual, Sequential, Trainer
from lamina.callbacks import Callback
from lamina.errors import ArgumentError, StreamError
from lamina.layers import GRU, LSTM, Dense, Embedding, RepeatVector, SimpleRNN, Tanh
from lamina.losses import SoftmaxCrossEntropy
from lamina.optimizers import SGD
from lamina.train.batches import Batch
from lamina.train.truncation import Chunks

RNG = np.random.default_rng(0)
X = RNG.normal(size=(7, 10, 3))
Y = RNG.integers(0, 4, (7, 10))
LENGTHS = np.array([10, 3, 0, 7, 4, 10, 1])


class Shared(Composite):
    def __init__(self) -> None:
        self.encoder, self.join, self.head = GRU(3, return_sequences=True), Concat(), Dense(4)

    def compose(self, t: Any, x: Any) -> Any:
        h = t(self.encoder, x)
        return t(self.head, t(self.join, h, t(self.encoder, h)))


MODELS: dict[str, Any] = {
    "stack": lambda: Sequential(LSTM(5, return_sequences=True), Tanh(), GRU(4, return_sequences=True), Dense(4)),
    "branches": lambda: Sequential(
        Residual(SimpleRNN(3, return_sequences=True)), Concat(LSTM(2, return_sequences=True), Dense(2)), Dense(4)
    ),
    "composite": Shared,
}


def built(name: str = "stack") -> Any:
    model = MODELS[name]()
    model.build((None, None, 3), seed=0, dtype="float64")
    return model


def chunks_of(model: Any, size: int, lengths: Any = None) -> Chunks:
    options = {} if lengths is None else {"lengths": lengths}
    return Chunks(model, [Batch(len(X), (X,), options, Y)], size)


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
@pytest.mark.parametrize("truncate", [10, 11, 100])
@pytest.mark.parametrize("name", MODELS)
def test_one_chunk_is_plain_training_to_the_last_bit(name: str, truncate: int, lengths: Any) -> None:
    weights, histories = [], []
    for cut in (None, truncate):
        trainer = Trainer(built(name), metrics="accuracy")
        history = trainer.fit(X, Y, lengths=lengths, epochs=3, batch_size=3, truncate=cut, verbose=False)
        weights.append(trainer.model.state_dict())
        histories.append([history["loss"], history["accuracy"]])
    assert all(np.array_equal(weights[0][key], weights[1][key]) for key in weights[0])
    assert histories[0] == histories[1]


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
@pytest.mark.parametrize("size", [1, 3, 4])
@pytest.mark.parametrize("name", MODELS)
def test_chunks_go_forward_as_the_whole_sequence_does(name: str, size: int, lengths: Any) -> None:
    model = built(name)
    chunks = chunks_of(model, size, lengths)
    outputs = [chunks.forward(*chunk.inputs, **chunk.options)[0] for chunk in chunks]
    assert abs(np.concatenate(outputs, 1) - model(X, lengths=lengths)).max() < 1e-12


def test_the_gradient_of_chunks_stops_at_their_first_step() -> None:
    """Against the whole sequence's rule by hand: h_t = tanh(x_t w_x + h_{t-1} w_h), the states before given."""
    model = Sequential(SimpleRNN(4, use_bias=False, return_sequences=True))
    model.build((None, None, 3), seed=0, dtype="float64")
    w_x, w_h = (parameter.numpy() for parameter in model.parameters())
    chunks = chunks_of(model, 4)
    h = np.zeros((7, 4))
    for chunk in chunks:
        (x,) = chunk.inputs
        steps = x.shape[1]
        states = [h]
        for t in range(steps):
            states.append(np.tanh(x[:, t] @ w_x + states[-1] @ w_h))
        dy = RNG.normal(size=(7, steps, 4))
        dw_x, dw_h, dh = np.zeros_like(w_x), np.zeros_like(w_h), np.zeros((7, 4))
        for t in reversed(range(steps)):
            da = (dh + dy[:, t]) * (1 - states[t + 1] ** 2)
            dw_x, dw_h, dh = dw_x + x[:, t].T @ da, dw_h + states[t].T @ da, da @ w_h.T
        model.zero_grad()
        y, saved = chunks.forward(x)
        model.backward(dy, saved)
        assert abs(y[:, -1] - states[-1]).max() < 1e-14
        assert abs(model[0].w_x.grad - dw_x).max() < 1e-13  # type: ignore[attr-defined]
        assert abs(model[0].w_h.grad - dw_h).max() < 1e-13  # type: ignore[attr-defined]
        h = states[-1]


def test_each_batch_starts_from_no_state_and_ends_with_its_longest_row() -> None:
    model = built()
    batches = [Batch(7, (X,), {"lengths": np.minimum(LENGTHS, longest)}, Y) for longest in (10, 6, 0)]
    chunks = Chunks(model, batches, 4)
    seen = []
    for chunk in chunks:
        chunks.forward(*chunk.inputs, **chunk.options)
        seen.append((chunks.before is None, chunk.inputs[0].shape[1], chunk.options["lengths"].tolist(), chunk.rows))
    assert [start for start, *_ in seen] == [True, False, False, True, False, True]
    assert [steps for _, steps, *_ in seen] == [4, 4, 2, 4, 4, 4]
    assert seen[1][2] == [4, 0, 0, 3, 0, 4, 0]
    assert {rows for *_, rows in seen} == {7}


def test_fit_takes_a_step_for_each_chunk() -> None:
    """The trainer beside a loop written by hand over `Layer.stream`."""
    steps = []

    class Count(Callback):
        def on_step_end(self, trainer: Trainer, epoch: int, step: int, loss: Any) -> None:
            steps.append((epoch, step))

    trainer = Trainer(built(), optimizer=lambda parameters: SGD(parameters, lr=0.5), callbacks=Count())
    history = trainer.fit(X, Y, epochs=2, batch_size=4, shuffle=False, truncate=4, verbose=False)
    assert steps == [(epoch, step) for epoch in (1, 2) for step in range(1, 7)]
    assert trainer.model.facts["training"]["truncate"] == 4

    model, loss = built(), SoftmaxCrossEntropy()
    optimizer = SGD(model.parameters(), lr=0.5)
    losses = []
    for _ in range(2):
        total = 0.0
        for start in (0, 4):
            state = None
            for t in (0, 4, 8):
                optimizer.zero_grad()
                x, y = X[start : start + 4, t : t + 4], Y[start : start + 4, t : t + 4]
                prediction, state, saved = model.stream(x, state=state, training=True)
                value, kept = loss.forward(prediction, y)
                model.backward(loss.backward(kept), saved)
                optimizer.step()
                total += float(value) * x.shape[0] * x.shape[1]
        losses.append(total / 70)
    found = trainer.model.state_dict()
    assert all(np.array_equal(found[key], value) for key, value in model.state_dict().items())
    assert history["loss"] == pytest.approx(losses, abs=1e-12)


@pytest.mark.parametrize(
    ("model", "y", "message"),
    [
        (
            lambda: Sequential(GRU(3), Dense(4)),
            Y[:, 0],
            "fit: truncate needs a target for each step: the output is (7, 4), y (7,)",
        ),
        (
            lambda: Sequential(Bidirectional(GRU(3, return_sequences=True)), Dense(4)),
            Y,
            "GRU '0.backward': cannot stream with go_backwards=True: it begins with a row's last step",
        ),
    ],
)
def test_what_cannot_be_cut_is_refused_before_anything_changes(model: Any, y: Any, message: str) -> None:
    layer = model()
    with pytest.raises((ArgumentError, StreamError)) as caught:
        Trainer(layer).fit(X, y, truncate=4, verbose=False)
    assert str(caught.value) == message
    assert not layer.is_built


def test_inputs_without_the_time_axis_of_the_targets_are_refused() -> None:
    class Pair(Composite):
        def __init__(self) -> None:
            self.encoder, self.other, self.head = GRU(4, return_sequences=True), GRU(4), Dense(4)

        def compose(self, t: Any, a: Any, b: Any) -> Any:
            t(self.other, b)
            return t(self.head, t(self.encoder, a))

    with pytest.raises(ArgumentError, match=r"^fit: truncate needs 10 steps, as y has, in each input, got \(7, 4, 3\)"):
        Trainer(Pair()).fit((X, X[:, :4]), Y, truncate=4, verbose=False)
    with pytest.raises(ArgumentError, match=r"^fit: truncate needs the same lengths for all inputs$"):
        Trainer(Pair()).fit((X, X[:, :4]), Y, lengths=(LENGTHS, None), truncate=4, verbose=False)


def test_integers_without_a_time_axis_are_refused() -> None:
    """One for each row, such as a speaker: there is nothing of them to cut."""

    class Speakers(Composite):
        def __init__(self) -> None:
            self.table, self.again, self.join, self.head = Embedding(9, 2), RepeatVector(10), Concat(), Dense(4)

        def compose(self, t: Any, x: Any, who: Any) -> Any:
            return t(self.head, t(self.join, x, t(self.again, t(self.table, who))))

    model = Speakers()
    model.build((None, 10, 3), (None,), seed=0)
    with pytest.raises(ArgumentError, match=r"^fit: truncate needs 10 steps, as y has, in each input, got \(7,\)$"):
        Trainer(model).fit((X, np.arange(7)), Y, truncate=4, verbose=False)


@pytest.mark.parametrize("truncate", [0, 1.5, True])
def test_the_number_of_steps_is_checked(truncate: Any) -> None:
    with pytest.raises(ArgumentError, match=r"^Trainer: expected truncate to be a whole number of 1 or more, got "):
        Trainer(built()).fit(X, Y, truncate=truncate, verbose=False)
