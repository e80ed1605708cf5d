"""Losses: one a file."""

from lamina.losses.mean_squared_error import MeanSquaredError
from lamina.losses.softmax_cross_entropy import SoftmaxCrossEntropy

__all__ = ["MeanSquaredError", "SoftmaxCrossEntropy"]
