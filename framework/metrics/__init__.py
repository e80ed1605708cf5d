"""Metrics: figures that a person reads off a training run, gathered over many batches.

>>> import numpy as np
>>> import lamina
>>> accuracy = Accuracy()
>>> accuracy.update(np.array([[2.0, 0.0], [0.0, 1.0]]), np.array([0, 0]), None, lamina.get_backend("numpy"))
>>> accuracy.result()
0.5
"""

from lamina.metrics.calibration import BrierScore, ExpectedCalibrationError
from lamina.metrics.choice import find_metrics
from lamina.metrics.classes import Accuracy, Perplexity, TopKAccuracy
from lamina.metrics.confusion import ConfusionMatrix
from lamina.metrics.counts import F1, FBeta, Precision, Recall
from lamina.metrics.function import FunctionMetric
from lamina.metrics.metric import Metric
from lamina.metrics.ranking import ROCAUC, AveragePrecision
from lamina.metrics.rates import RateAt
from lamina.metrics.regression import (
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    RootMeanSquaredError,
    RSquared,
)

__all__ = [
    "Accuracy",
    "AveragePrecision",
    "BrierScore",
    "ConfusionMatrix",
    "ExpectedCalibrationError",
    "F1",
    "FBeta",
    "FunctionMetric",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "Metric",
    "Perplexity",
    "Precision",
    "ROCAUC",
    "RSquared",
    "RateAt",
    "Recall",
    "RootMeanSquaredError",
    "TopKAccuracy",
    "find_metrics",
]
