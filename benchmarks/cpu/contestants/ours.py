"""Lamina, on NumPy or on another backend, kernel by kernel: nothing is planned."""

from __future__ import annotations

from typing import Any

import numpy as np

import lamina
from benchmarks.cpu.model_work import Attending, Language
from benchmarks.cpu.prepared import Prepared
from benchmarks.cpu.work import CLASSES, RATE, Characters, Inference, Loop, Ragged, Training, Vowels, Weights
from lamina.layers import LSTM, Dense, Embedding, LayerNorm, SelfAttention, SimpleRNN
from lamina.optimizers import SGD, Adam

__all__ = [
    *("attending", "built", "characters", "inference", "language", "loop", "model_for", "ragged", "results_of"),
    *("start", "training", "vowels"),
]

Step = Training | Ragged | Language | Attending | Loop


def start(threads: int, backend: str = "numpy") -> None:
    """Use a backend; raises where it cannot run."""
    lamina.use_backend(backend)


def built(layers: list[lamina.Layer], shape: tuple[int | None, ...], weights: Weights) -> lamina.Sequential:
    """Return a model with these weights."""
    model = lamina.Sequential(layers)
    model.build(shape)
    model.load_state_dict(weights)
    return model


def model_for(work: Step) -> lamina.Sequential:
    """Return the model of a training step, built, with the first weights."""
    if isinstance(work, Language):
        layers = [
            Embedding(work.vocabulary, work.vectors),
            LSTM(work.units, return_sequences=True),
            Dense(work.vocabulary),
        ]
        return built(layers, (None, None), work.weights())
    if isinstance(work, Attending):
        layers = [SelfAttention(work.heads), LayerNorm(epsilon=work.epsilon), Dense(CLASSES)]
        return built(layers, (None, None, work.units), work.weights())
    layer = getattr(lamina.layers, work.kind)(work.units)
    return built([layer, Dense(CLASSES)], (None, None, work.features), work.weights())


def results_of(work: Step, model: lamina.Layer, value: Any) -> dict[str, Any]:
    """Return the loss and the gradients, as they are now."""
    gradients = {parameter.name: parameter.grad for parameter in model.parameters()}
    if isinstance(work, Attending):
        del gradients[work.idle]
    return {"loss": value} | gradients


def training(work: Step) -> Prepared:
    """Return the README's training step."""
    x, y, *ragged = work.data()
    lengths = ragged[0] if ragged else None
    model = model_for(work)
    optimizer, loss = SGD(model.parameters(), lr=RATE), lamina.losses.SoftmaxCrossEntropy()

    def backward() -> Any:
        optimizer.zero_grad()
        prediction, saved = model.forward(x, lengths=lengths)
        value, loss_saved = loss.forward(prediction, y)
        model.backward(loss.backward(loss_saved), saved, input_gradient=False)
        return value

    def step() -> None:
        backward()
        optimizer.step()

    return Prepared(step, lambda: results_of(work, model, backward()))


ragged = language = attending = training


def inference(work: Inference) -> Prepared:
    """Return the model itself, or a stream of it."""
    x = work.data()
    layer = getattr(lamina.layers, work.kind)(work.units)
    model = built([layer, Dense(CLASSES)], (None, None, work.features), work.weights())
    if work.time > 1:
        return Prepared(lambda: model(x), lambda: {"logits": model(x)})
    if model.backend.plans_steps:
        raise NotImplementedError("a stream's steps are the engine's there")
    stream, step = lamina.Stream(model), np.ascontiguousarray(x[:, 0])

    def results() -> dict[str, Any]:
        fresh = lamina.Stream(model)
        return {f"logits {t}": fresh(x[:, t]) for t in range(x.shape[1])}

    return Prepared(lambda: stream(step), results)


def vowels(work: Vowels, compile: bool | None = False) -> Prepared:
    """Return what ``lamina train`` does with its default options."""
    x, y, lengths = work.data()
    model = built([SimpleRNN(work.units), Dense(work.classes)], (None, None, work.features), work.weights())
    optimizer = SGD(
        model.parameters(),
        lr=work.learning_rate,
        momentum=work.momentum,
        weight_decay=work.weight_decay,
        clip_norm=work.clip_norm,
    )
    loss = lamina.losses.SoftmaxCrossEntropy(label_smoothing=work.label_smoothing)
    trainer = lamina.Trainer(model, loss, optimizer, metrics="accuracy", compile=compile)

    def fit(epochs: int, shuffle: bool) -> lamina.History:
        return trainer.fit(x, y, lengths=lengths, epochs=epochs, batch_size=work.batch, shuffle=shuffle, verbose=False)

    def results() -> dict[str, Any]:
        history = fit(1, shuffle=False)
        return {"loss": np.array(history["loss"][0])} | {p.name: p.numpy() for p in model.parameters()}

    return Prepared(lambda: fit(work.epochs, shuffle=True), results, work.epochs)


def characters(work: Characters, compile: bool | None = False) -> Prepared:
    """Return what the example does in an epoch, but for its validation."""
    x, y, alphabet = work.data()
    layers = [Embedding(alphabet, work.vectors), LSTM(work.units, return_sequences=True), Dense(alphabet)]
    model = built(layers, (None, None), work.weights(alphabet))
    optimizer = Adam(model.parameters(), lr=work.learning_rate, clip_norm=work.clip_norm)
    trainer = lamina.Trainer(model, optimizer=optimizer, compile=compile)

    def fit(steps: int | None) -> lamina.History:
        end = None if steps is None else steps * work.steps
        return trainer.fit(
            x[:, :end],
            y[:, :end],
            epochs=1,
            batch_size=work.rows,
            truncate=work.steps,
            shuffle=False,
            verbose=False,
        )

    return Prepared(lambda: fit(None), lambda: {"loss": np.array(fit(work.compared_steps)["loss"][0])})


def loop(work: Loop) -> Prepared:
    """Return an epoch of steps written out: what `lamina.Trainer` must keep up with."""
    x, y = work.data()
    model = model_for(work)
    optimizer, loss = SGD(model.parameters(), lr=RATE), lamina.losses.SoftmaxCrossEntropy()
    rng = np.random.default_rng(0)

    def epoch(order: np.ndarray) -> float:
        total = 0.0
        for first in range(0, len(x), work.batch):
            rows = order[first : first + work.batch]
            optimizer.zero_grad()
            prediction, saved = model.forward(x[rows])
            value, loss_saved = loss.forward(prediction, y[rows])
            model.backward(loss.backward(loss_saved), saved, input_gradient=False)
            optimizer.step()
            total += float(value)
        return total / work.steps

    return Prepared(
        lambda: epoch(rng.permutation(len(x))), lambda: {"loss": np.array(epoch(np.arange(len(x))))}, work.steps
    )
