"""Lengths and states may lie anywhere: what is needed on the host is brought there, by every way in."""

import numpy as np
import pytest

import lamina
from lamina import Composite, Concat, Sequential, Stream, Trainer
from lamina.errors import DTypeError, ShapeError
from lamina.layers import GRU, Dense
from lamina.losses import CTC, MeanSquaredError, SoftmaxCrossEntropy
from lamina.metrics import F1, Accuracy, MeanAbsoluteError

RNG = np.random.default_rng(2)
X, Y, LENGTHS = RNG.normal(size=(3, 4, 2)), RNG.integers(0, 3, (3, 4)), np.array([4, 0, 2])
LABELS = np.array([[1, 2], [1, -1], [2, -1]])


class Twins(Composite):
    """Two inputs, each of its own lengths."""

    def __init__(self):
        self.cell, self.join, self.out = GRU(3), Concat(), Dense(3)

    def compose(self, t, a, b):
        return t(self.out, t(self.join, t(self.cell, a), t(self.cell, b)))


def built(backend, make=lambda: Sequential(GRU(4, return_sequences=True), Dense(3)), inputs=1):
    model = make()
    model.build(*[(None, None, 2)] * inputs, seed=0, dtype="float64", backend=backend)
    return model


def logits(backend):
    return backend.asarray(RNG.normal(size=(3, 4, 3)))


def fitted(backend, lengths):
    model = built(backend)
    Trainer(model, metrics="accuracy").fit(
        X, Y, lengths=lengths, epochs=1, verbose=False, validation_data=(X, Y, lengths)
    )
    return model.state_dict()["1.w"]


def of_loss(make, target, mask=None):
    def value(backend, lengths):
        prediction = backend.asarray(np.linspace(-1, 1, 36).reshape(3, 4, 3))
        loss = make()
        value, saved = loss.forward_on(backend, prediction, target, lengths=lengths)
        counted = loss.terms(prediction, target, lengths)
        return np.append(backend.to_numpy(loss.backward(saved)).ravel(), [backend.item(value), counted])

    return value


def of_metric(make, target):
    def value(backend, lengths):
        prediction, metric = backend.asarray(np.linspace(-1, 1, 36).reshape(3, 4, 3)), make()
        metric.update(prediction, backend.asarray(target), lengths, backend)
        return np.array([metric.result(), make()(prediction, target, lengths)])

    return value


def trained_backward(backend, lengths):
    model = built(backend)
    y, saved = model.forward(backend.asarray(X), lengths=lengths)
    return model.backward(backend.asarray(np.ones(y.shape)), saved)


WAYS = {
    "call": lambda b, n: built(b)(X, lengths=n),
    "by position": lambda b, n: built(b)(X, n),
    "infer": lambda b, n: built(b).infer(b.asarray(X), lengths=n),
    "backward": trained_backward,
    "stream": lambda b, n: Stream(built(b))(X, lengths=n),
    "layer's stream": lambda b, n: built(b).stream(b.asarray(X), lengths=n)[0],
    "two inputs": lambda b, n: built(b, Twins, 2)(X, X, lengths=(n, n)),
    "predict": lambda b, n: Trainer(built(b)).predict(X, lengths=n),
    "evaluate": lambda b, n: np.array(list(Trainer(built(b)).evaluate(X, Y, lengths=n).values())),
    "fit": fitted,
    "labels": of_loss(SoftmaxCrossEntropy, Y),
    "ignored labels": of_loss(lambda: SoftmaxCrossEntropy(ignore_index=0), Y),
    "numbers": of_loss(MeanSquaredError, RNG.normal(size=(3, 4, 3))),
    "ctc": of_loss(CTC, LABELS),
    "accuracy": of_metric(Accuracy, Y),
    "f1": of_metric(lambda: F1("macro"), Y),
    "error": of_metric(MeanAbsoluteError, RNG.normal(size=(3, 4, 3))),
}


@pytest.mark.parametrize("way", WAYS)
def test_lengths_lie_anywhere(device, way):
    results = {}
    for backend in (device, lamina.get_backend("numpy")):
        for name, lengths in (("there", backend.asarray(LENGTHS)), ("host", LENGTHS), ("list", LENGTHS.tolist())):
            found = WAYS[way](backend, lengths)
            results[backend.name, name] = np.array(found if isinstance(found, np.ndarray) else backend.to_numpy(found))
    for found in results.values():
        assert found.size
        np.testing.assert_allclose(found, results["numpy", "host"], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("lengths", "error", "message"),
    [
        ([4, 0, 5], ShapeError, "Sequential: expected lengths from 0 to 4, got 5 at row 2"),
        ([4, 0], ShapeError, "Sequential: expected 3 lengths, one for each row, got shape (2,)"),
        ([4.0, 0.0, 1.0], DTypeError, "Sequential: expected whole numbers as lengths, got float64"),
    ],
)
def test_lengths_there_are_checked_as_those_of_the_host(device, lengths, error, message):
    model = built(device)
    for given in (np.array(lengths), device.asarray(np.array(lengths))):
        for call in (model, Stream(model)):
            with pytest.raises(error) as caught:
                call(X, lengths=given)
            assert str(caught.value) == message


def test_target_lengths_there(device):
    prediction = logits(device)
    counts = np.array([2, 1, 1])
    values = [CTC().forward(prediction, LABELS, target_lengths=one)[0] for one in (counts, device.asarray(counts))]
    assert device.item(values[0]) == device.item(values[1])
