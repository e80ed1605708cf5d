"""Losses: one a file."""

from lamina.losses.binary_cross_entropy import BinaryCrossEntropy
from lamina.losses.cosine_similarity import CosineSimilarity
from lamina.losses.ctc import CTC
from lamina.losses.huber import Huber
from lamina.losses.mean_absolute_error import MeanAbsoluteError
from lamina.losses.mean_squared_error import MeanSquaredError
from lamina.losses.negative_log_likelihood import NegativeLogLikelihood
from lamina.losses.softmax_cross_entropy import SoftmaxCrossEntropy

__all__ = [
    "BinaryCrossEntropy",
    "CTC",
    "CosineSimilarity",
    "Huber",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "NegativeLogLikelihood",
    "SoftmaxCrossEntropy",
]
