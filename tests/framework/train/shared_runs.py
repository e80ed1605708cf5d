"""Models that several ranks train: what they come to beside one process, and the ways in which they are trained."""

from __future__ import annotations

import numpy as np

import lamina
from lamina import Sequential, layers

rng = np.random.default_rng(0)
ROWS, TIME = 26, 7
X = rng.normal(size=(ROWS, TIME, 3))
LENGTHS = rng.integers(0, TIME + 1, ROWS)
IDS = rng.integers(0, 200, (ROWS, TIME))
CLASSES = rng.integers(0, 4, ROWS)
TAGS = rng.integers(0, 4, (ROWS, TIME))
NUMBERS = rng.normal(size=(ROWS, TIME, 2))
WEIGHTS = rng.random(ROWS)


class Two(lamina.Composite):
    """Two outputs."""

    def __init__(self):
        self.read, self.tag, self.tell = layers.GRU(5, return_sequences=True), layers.Dense(4), layers.Dense(2)

    def compose(self, t, v):
        read = t(self.read, v)
        return t(self.tag, read), t(self.tell, read)


def simple(backend="numpy", dtype="float64", seed=0):
    return built(Sequential(layers.SimpleRNN(6), layers.Dense(4)), backend, dtype, seed)


def built(model, backend="numpy", dtype="float64", seed=0, shape=(None, None, 3)):
    model.build(shape, backend=backend, dtype=dtype, seed=seed)
    return model


def rows():
    for start in range(0, ROWS, 8):
        yield X[start : start + 8], CLASSES[start : start + 8]


class ByNumber:
    def __len__(self):
        return ROWS

    def __getitem__(self, row):
        return X[row, : max(LENGTHS[row], 1)], CLASSES[row]


def _fit(model, x, y=None, *, fit=None, **settings):
    def run(communicator=None):
        trainer = lamina.Trainer(model_of(), communicator=communicator, **settings)
        options = {"epochs": 2, "batch_size": 8, "verbose": False, **(fit or {})}
        if options["batch_size"] is None:
            del options["batch_size"]
        return trainer, trainer.fit(x, y, **options)

    model_of = model
    return run


RAGGED = {"lengths": LENGTHS}


def ways(backend="numpy"):
    """Return by name what trains a model, alone or on a rank; eight rows a batch, the last one has two."""

    def stacked():
        stack = Sequential(layers.LSTM(5, return_sequences=True), layers.Dropout(0.4), layers.GRU(4), layers.Dense(4))
        return built(stack, backend)

    def embedded():
        return built(Sequential(layers.Embedding(200, 4), layers.LSTM(5), layers.Dense(4)), backend, shape=(None, None))

    def tagging():
        chain = Sequential(layers.LSTM(5, return_sequences=True), layers.Dropout(0.3), layers.Dense(4))
        return built(chain, backend)

    def normed():
        parts = layers.Conv1D(4, 3), layers.BatchNorm(), layers.GRU(4, return_sequences=True)
        return built(Sequential(*parts, layers.BatchNorm(use_scale=False), layers.LastStep(), layers.Dense(4)), backend)

    def measuring():
        return built(Sequential(layers.Standardize(), layers.SimpleRNN(5), layers.Dense(4)), backend)

    def two():
        return built(Two(), backend)

    def of_rows():
        return simple(backend)

    def adam(parameters):
        return lamina.optimizers.Adam(parameters, lr=0.01, clip_norm=0.1)

    losses = {"loss": ("softmax_cross_entropy", "mean_squared_error"), "loss_weights": (1.0, 0.3)}
    return {
        "SimpleRNN": _fit(of_rows, X, CLASSES, metrics=["accuracy"]),
        "ragged, clipped by norm": _fit(stacked, X, CLASSES, optimizer=adam, fit=RAGGED, metrics="accuracy"),
        "Embedding": _fit(embedded, IDS, CLASSES, fit=RAGGED),
        "Embedding, accumulated": _fit(embedded, IDS, CLASSES, optimizer="adam", accumulate=2),
        "accumulated": _fit(stacked, X, CLASSES, accumulate=3, fit=RAGGED),
        "truncated": _fit(tagging, X, TAGS, fit={**RAGGED, "truncate": 3}, metrics="accuracy"),
        "truncated, accumulated": _fit(tagging, X, TAGS, accumulate=2, fit={**RAGGED, "truncate": 3}),
        "two outputs": _fit(two, X, (TAGS, NUMBERS), fit=RAGGED, **losses),
        "two outputs, accumulated": _fit(two, X, (TAGS, NUMBERS), accumulate=2, fit=RAGGED, **losses),
        "two outputs, truncated": _fit(two, X, (TAGS, NUMBERS), fit={"truncate": 3}, **losses),
        "weights of rows": _fit(stacked, X, CLASSES, fit={**RAGGED, "sample_weight": WEIGHTS}, metrics="accuracy"),
        "weights of classes": _fit(of_rows, X, CLASSES, fit={"class_weight": "balanced"}),
        "BatchNorm": _fit(normed, X, CLASSES, optimizer="sgd", fit=RAGGED),
        "measured first": _fit(measuring, 5 + 3 * X, CLASSES, fit=RAGGED),
        "bucketed": _fit(stacked, X, CLASSES, fit={**RAGGED, "bucket": True}),
        "sums": _fit(of_rows, X, CLASSES, loss=lamina.losses.SoftmaxCrossEntropy(reduction="sum"), optimizer="sgd"),
        "checked": _fit(stacked, X, CLASSES, check_finite=True, fit=RAGGED),
        "validated": _fit(of_rows, X, CLASSES, fit={"validation_split": 0.3}, metrics=["accuracy", "auc"]),
        "batches": _fit(of_rows, rows, fit={"batch_size": None}),
        "rows read by number": _fit(of_rows, ByNumber()),
        "one row": _fit(of_rows, X[:1], CLASSES[:1]),
    }
