"""Training on the device is training on the host, but for rounding: weights, figures, predictions."""

import numpy as np
import pytest

import lamina
from lamina import Bidirectional, Sequential, Trainer
from lamina.callbacks import EarlyStopping, SaveBest
from lamina.errors import DataError, NonFiniteError
from lamina.layers import (
    GRU,
    LSTM,
    BatchNorm,
    Conv1D,
    Dense,
    Dropout,
    Embedding,
    LayerNorm,
    RecurrentDropout,
    SimpleRNN,
)
from lamina.losses import CTC, SoftmaxCrossEntropy
from lamina.metrics import F1, Accuracy, ConfusionMatrix, Perplexity, Precision, Recall, TopKAccuracy
from lamina.optimizers import SGD, AdaGrad, Adam, AdamW, AMSGrad, RMSprop
from lamina.optimizers.schedules import CosineDecay

ROWS, TIME, FEATURES, CLASSES = 6, 7, 5, 4
RNG = np.random.default_rng(0)
X = RNG.normal(size=(ROWS, TIME, FEATURES))
IDS = RNG.integers(0, 12, (ROWS, TIME))
LENGTHS = np.array([7, 3, 0, 5, 1, 7])
LABELS, STEPS = RNG.integers(0, CLASSES, ROWS), RNG.integers(0, CLASSES, (ROWS, TIME))
SEQUENCES = np.array([[1, 2, -1], [1, -1, -1], [-1, -1, -1], [3, 3, -1], [2, -1, -1], [1, 2, 3]])
OPEN = (None, None, FEATURES)


def trained(make, x, y, backend, loss="softmax_cross_entropy", optimizer="adagrad", lengths=LENGTHS, **options):
    """Return what two epochs give: weights, figures, and a prediction."""
    fit = {name: options.pop(name) for name in ("truncate", "validation_data") if name in options}
    model = make()
    model.build(OPEN if x.ndim == 3 else (None, None), seed=0, dtype="float64", backend=backend)
    trainer = Trainer(model, loss() if callable(loss) else loss, optimizer, **options)
    trainer.fit(x, y, lengths=lengths, epochs=2, batch_size=4, verbose=False, **fit)
    figures = {key: value for key, value in trainer.history.last.items() if key != "seconds"}
    return model.state_dict(), figures | trainer.evaluate(x, y, lengths=lengths), trainer.predict(x, lengths=lengths)


def expect_alike(device, *arguments, **options):
    weights, figures, predicted = trained(*arguments, device, **options)
    expected, expected_figures, expected_prediction = trained(*arguments, "numpy", **options)
    assert list(weights) == list(expected)
    for name, array in expected.items():
        np.testing.assert_allclose(weights[name], array, rtol=1e-7, atol=1e-9, err_msg=name)
    assert figures == pytest.approx(expected_figures, rel=1e-7, abs=1e-9)
    np.testing.assert_allclose(predicted, expected_prediction, rtol=1e-7, atol=1e-9)


def recurrent(cell, **options):
    return lambda: Sequential(cell(6, **options), Dense(CLASSES))


def stepwise(*layers):
    return lambda: Sequential(*(layer() for layer in layers), GRU(6, return_sequences=True), Dense(CLASSES))


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
@pytest.mark.parametrize(
    "make",
    [recurrent(SimpleRNN), recurrent(LSTM), recurrent(GRU), recurrent(GRU, reset_after=False),
     lambda: Sequential(Bidirectional(LSTM(3)), Dense(CLASSES)),
     lambda: Sequential(Conv1D(4, 3, use_bias=False), BatchNorm(), LayerNorm(), GRU(3), Dense(CLASSES)),
     lambda: Sequential(RecurrentDropout(0.3), SimpleRNN(4), Dropout(0.4), Dense(CLASSES))],
    ids=["simple rnn", "lstm", "gru", "gru, reset first", "bidirectional", "norms", "masks"],
)  # fmt: skip
def test_layers(device, make, lengths):
    expect_alike(device, make, X, LABELS, lengths=lengths)


@pytest.mark.parametrize(
    "optimizer",
    [lambda p: SGD(p, lr=0.1, momentum=0.9, clip_norm=0.5), lambda p: Adam(p, lr=0.01, clip_value=0.01),
     lambda p: AdamW(p, lr=0.01), lambda p: AMSGrad(p, lr=0.01), lambda p: AdaGrad(p, lr=0.1),
     lambda p: RMSprop(p, lr=0.01, groups={"*w": {"lr": 1e-3}})],
    ids=["sgd", "adam", "adamw", "amsgrad", "adagrad", "rmsprop"],
)  # fmt: skip
def test_optimizers_of_tables_by_rows(device, optimizer):
    expect_alike(device, stepwise(lambda: Embedding(12, 3)), IDS, STEPS, optimizer=optimizer)


@pytest.mark.parametrize(
    "options",
    [{"accumulate": 2}, {"truncate": 3}, {"check_finite": True}, {"validation_data": (X, STEPS, LENGTHS)},
     {"loss": lambda: SoftmaxCrossEntropy(ignore_index=0)}],
    ids=["accumulate", "truncate", "check finite", "validation", "ignore index"],
)  # fmt: skip
def test_ways_to_train(device, options):
    expect_alike(device, stepwise(), X, STEPS, metrics="accuracy", **options)


def test_ids_in_pieces(device):
    expect_alike(device, stepwise(lambda: Embedding(12, 3)), IDS, STEPS, truncate=3, accumulate=2)


@pytest.mark.parametrize(
    "loss", ["mean_squared_error", "mean_absolute_error", "huber", "cosine_similarity", "binary_cross_entropy"]
)
def test_losses_of_numbers(device, loss):
    target = RNG.random((ROWS, TIME, CLASSES))
    expect_alike(device, stepwise(), X, target, loss=loss, metrics=["mean_absolute_error", "r_squared"])


def test_ctc(device):
    expect_alike(device, stepwise(), X, SEQUENCES, loss=CTC)


def test_metrics_of_classes(device):
    metrics = [Accuracy(), TopKAccuracy(2), Perplexity(), Precision("macro"), Recall("micro"), F1("macro")]
    expect_alike(device, stepwise(), X, STEPS, metrics=metrics)


def test_metrics_of_one_batch(device):
    logits = RNG.normal(size=(ROWS, TIME, CLASSES))
    for metric in (Accuracy(), TopKAccuracy(2), Perplexity(), ConfusionMatrix(), Precision("macro")):
        expected = metric(logits, STEPS, LENGTHS)
        for target in (STEPS, device.asarray(STEPS)):
            for lengths in (LENGTHS, device.asarray(LENGTHS)):
                np.testing.assert_allclose(metric(device.asarray(logits), target, lengths), expected, rtol=1e-12)


def test_callbacks(device, tmp_path):
    path = tmp_path / "best.safetensors"
    callbacks = [SaveBest(path, monitor="loss"), EarlyStopping(monitor="loss"), CosineDecay(4)]
    model = recurrent(LSTM)()
    model.build(OPEN, seed=0, backend=device)
    history = Trainer(model, callbacks=callbacks).fit(X, LABELS, epochs=3, lengths=LENGTHS, verbose=False)
    assert len(history) == 3
    assert lamina.load(path, backend=device).backend is device


def test_what_is_not_finite_is_named(device):
    model = Sequential(SimpleRNN(6, activation="relu"), Dense(CLASSES))
    model.build(OPEN, seed=0, backend=device)
    trainer = Trainer(model, optimizer=lambda p: SGD(p, lr=1e30), check_finite=True)
    with pytest.raises(NonFiniteError, match=r"forward of (SimpleRNN|Dense) '\d' gave (NaN|infinity)"):
        trainer.fit(X, LABELS, epochs=5, verbose=False)


def test_labels_that_are_no_class_are_refused_before_training(device):
    model = recurrent(GRU)()
    model.build(OPEN, seed=0, backend=device)
    before = model.state_dict()
    with pytest.raises(DataError, match=r"expected labels from 0 to 3, got \d at index"):
        Trainer(model).fit(X, LABELS + 3, epochs=1, verbose=False)
    assert all((array == before[name]).all() for name, array in model.state_dict().items())


def test_a_second_run_gives_the_same_bits(device):
    """Also where ids repeat: what is added to what follows from the data alone."""
    runs = [trained(stepwise(lambda: Embedding(3, 3)), IDS % 3, STEPS, device)[0] for _ in range(2)]
    for name, array in runs[0].items():
        np.testing.assert_array_equal(array, runs[1][name], err_msg=name)
