"""Keras's losses and metrics, and what says each: which options, and how a prediction and its target are made."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lamina import losses, metrics
from lamina.losses import ElementwiseLoss

__all__ = ["LOSSES", "METRICS", "OwnDivergence", "Pair"]

ROWS, WIDTH = 8, 4


class OwnDivergence(ElementwiseLoss):
    """Keras's divergence, which asks for no distributions: a term for each output, and their sum for a row."""

    def value(self, xp, prediction, target):
        return WIDTH * target * xp.log(target / prediction)

    def derivative(self, xp, prediction, target):
        return -WIDTH * target / prediction


def _numbers(random):
    return random.normal(size=(ROWS, WIDTH)), random.normal(size=(ROWS, WIDTH))


def _positive(random):
    return random.random((ROWS, WIDTH)) * 0.8 + 0.1, random.random((ROWS, WIDTH)) * 0.8 + 0.1


def _yes_or_no(random):
    return random.normal(size=(ROWS, 1)), random.integers(0, 2, (ROWS, 1))


def _signs(random):
    return random.normal(size=(ROWS, WIDTH)), random.integers(0, 2, (ROWS, WIDTH)) * 2.0 - 1


def _counts(random):
    return random.random((ROWS, WIDTH)) + 0.1, random.integers(0, 5, (ROWS, WIDTH)).astype(float)


def _answers(random):
    return random.normal(size=(ROWS, WIDTH)), random.integers(0, 2, (ROWS, WIDTH)).astype(float)


def _labels(random):
    return random.normal(size=(ROWS, WIDTH)), random.integers(0, WIDTH, ROWS)


def _scores(random):
    # Keras takes the largest of the other classes' and 0.
    return random.random((ROWS, WIDTH)), random.integers(0, WIDTH, ROWS)


def _one_hot(random):
    logits, labels = _labels(random)
    return logits, np.eye(WIDTH)[labels]


@dataclass
class Pair:
    """One of Keras's, by its name and options, and ours; ``given`` makes prediction and target."""

    theirs: str
    ours: Any
    given: Any
    options: dict = field(default_factory=dict)
    change: float = 0.0  # of Keras's value, what ours is more
    tolerance: float = 1e-6  # of what Keras adds against a division by 0
    prediction: Any = lambda z: z  # what Keras is given for it, an array
    target: Any = lambda t: t


def _sigmoid(z):
    return 1 / (1 + np.exp(-z))


def _softmax(z):
    return np.exp(z) / np.exp(z).sum(-1, keepdims=True)


LOGITS = {"from_logits": True}

LOSSES = {
    "MeanSquaredError": Pair("MeanSquaredError", losses.MeanSquaredError, _numbers),
    "MeanAbsoluteError": Pair("MeanAbsoluteError", losses.MeanAbsoluteError, _numbers),
    "MeanAbsolutePercentageError": Pair(
        "MeanAbsolutePercentageError", losses.MeanAbsolutePercentageError, _positive, tolerance=1e-5
    ),
    "MeanSquaredLogarithmicError": Pair("MeanSquaredLogarithmicError", losses.MeanSquaredLogarithmicError, _positive),
    "LogCosh": Pair("LogCosh", losses.LogCosh, _numbers),
    "Huber": Pair("Huber", losses.Huber, _numbers),
    "Huber, delta": Pair("Huber", lambda **o: losses.Huber(0.4, **o), _numbers, {"delta": 0.4}),
    "Hinge": Pair("Hinge", losses.Hinge, _signs),
    "SquaredHinge": Pair("SquaredHinge", lambda **o: losses.Hinge(squared=True, **o), _signs),
    "CategoricalHinge": Pair("CategoricalHinge", losses.CategoricalHinge, _scores, target=lambda t: np.eye(WIDTH)[t]),
    # Keras's is the similarity with another sign, ours 1 less the similarity.
    "CosineSimilarity": Pair("CosineSimilarity", losses.CosineSimilarity, _numbers, change=1.0),
    "KLDivergence": Pair("KLDivergence", OwnDivergence, _positive),
    "Poisson": Pair("Poisson", lambda **o: losses.PoissonNegativeLogLikelihood(False, epsilon=1e-7, **o), _counts),
    "BinaryCrossentropy": Pair("BinaryCrossentropy", losses.BinaryCrossEntropy, _answers, LOGITS),
    "BinaryCrossentropy, probabilities": Pair(
        "BinaryCrossentropy", losses.BinaryCrossEntropy, _answers, prediction=_sigmoid
    ),
    "BinaryCrossentropy, smoothed": Pair(
        "BinaryCrossentropy",
        lambda **o: losses.BinaryCrossEntropy(label_smoothing=0.2, **o),
        _answers,
        {**LOGITS, "label_smoothing": 0.2},
    ),
    "CategoricalCrossentropy": Pair("CategoricalCrossentropy", losses.SoftmaxCrossEntropy, _one_hot, LOGITS),
    "CategoricalCrossentropy, probabilities": Pair(
        "CategoricalCrossentropy", losses.SoftmaxCrossEntropy, _one_hot, prediction=_softmax
    ),
    "CategoricalCrossentropy, smoothed": Pair(
        "CategoricalCrossentropy",
        lambda **o: losses.SoftmaxCrossEntropy(label_smoothing=0.2, **o),
        _one_hot,
        {**LOGITS, "label_smoothing": 0.2},
    ),
    "SparseCategoricalCrossentropy": Pair("SparseCategoricalCrossentropy", losses.SoftmaxCrossEntropy, _labels, LOGITS),
    "BinaryFocalCrossentropy": Pair("BinaryFocalCrossentropy", losses.BinaryFocalCrossEntropy, _answers, LOGITS),
    "BinaryFocalCrossentropy, balanced": Pair(
        "BinaryFocalCrossentropy",
        lambda **o: losses.BinaryFocalCrossEntropy(3.0, 0.3, **o),
        _answers,
        {**LOGITS, "gamma": 3.0, "alpha": 0.3, "apply_class_balancing": True},
    ),
    "CategoricalFocalCrossentropy": Pair(
        "CategoricalFocalCrossentropy",
        lambda **o: losses.SoftmaxFocalCrossEntropy(1.5, 0.4, **o),
        _one_hot,
        {**LOGITS, "gamma": 1.5, "alpha": 0.4},
    ),
    "Dice": Pair(
        "Dice",
        lambda **o: losses.Dice(1e-7, **o),
        _answers,
        {"axis": (1,)},
        prediction=_sigmoid,
    ),
}

# A metric is Keras's by name, ours, and what both are given; weights are rows'.
METRICS = {
    "SparseCategoricalAccuracy": Pair("SparseCategoricalAccuracy", metrics.Accuracy, _labels),
    "BinaryAccuracy": Pair("BinaryAccuracy", metrics.Accuracy, _yes_or_no, prediction=_sigmoid),
    "BinaryAccuracy, threshold": Pair(
        "BinaryAccuracy",
        metrics.Accuracy,
        lambda r: (r.random((ROWS, 1)) - 0.3, r.integers(0, 2, (ROWS, 1))),
        {"threshold": 0.3},
        prediction=lambda z: z + 0.3,
    ),
    "CategoricalAccuracy": Pair("CategoricalAccuracy", metrics.Accuracy, _one_hot),
    "TopKCategoricalAccuracy": Pair("TopKCategoricalAccuracy", lambda: metrics.TopKAccuracy(2), _one_hot, {"k": 2}),
    "SparseTopKCategoricalAccuracy": Pair(
        "SparseTopKCategoricalAccuracy", lambda: metrics.TopKAccuracy(2), _labels, {"k": 2}
    ),
    "MeanSquaredError": Pair("MeanSquaredError", metrics.MeanSquaredError, _numbers),
    "RootMeanSquaredError": Pair("RootMeanSquaredError", metrics.RootMeanSquaredError, _numbers),
    "MeanAbsoluteError": Pair("MeanAbsoluteError", metrics.MeanAbsoluteError, _numbers),
}
for _name, _loss in (
    ("MeanAbsolutePercentageError", "MeanAbsolutePercentageError"),  # in percent; our metric is a share
    ("MeanSquaredLogarithmicError", "MeanSquaredLogarithmicError"),
    ("LogCoshError", "LogCosh"),
    ("Hinge", "Hinge"),
    ("SquaredHinge", "SquaredHinge"),
    ("CategoricalHinge", "CategoricalHinge"),
    ("CosineSimilarity", "CosineSimilarity"),
    ("KLDivergence", "KLDivergence"),
    ("Poisson", "Poisson"),
    ("BinaryCrossentropy", "BinaryCrossentropy, smoothed"),
    ("CategoricalCrossentropy", "CategoricalCrossentropy, smoothed"),
    ("SparseCategoricalCrossentropy", "SparseCategoricalCrossentropy"),
):
    _pair = LOSSES[_loss]
    METRICS[_name] = Pair(
        _name,
        lambda make=_pair.ours: metrics.FunctionMetric(make()),
        _pair.given,
        _pair.options,
        change=_pair.change,
        target=_pair.target,
    )
