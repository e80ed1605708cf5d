"""The losses beyond cross-entropy and squares, in PyTorch: the terms, (n,), of predictions and targets (n, ...)."""

import math

import torch
from torch.nn import functional as F

from lamina import losses

__all__ = ["TERMS", "dice"]


def _weights(values):
    return torch.as_tensor(values, dtype=torch.float64)


def _in_floats(terms):
    def run(loss, prediction, target):
        return terms(loss, prediction, target.to(prediction.dtype))

    return run


def _gaussian(loss, prediction, target):
    mean, log_variance = prediction.chunk(2, -1)
    settings = {"full": loss.full, "eps": loss.epsilon, "reduction": "none"}
    return F.gaussian_nll_loss(mean, target, log_variance.exp() + loss.epsilon, **settings).mean(-1)


def _poisson(loss, prediction, target):
    settings = {"log_input": loss.log_input, "full": loss.full, "eps": loss.epsilon, "reduction": "none"}
    prediction = prediction if loss.log_input else prediction.clamp(min=0)
    return F.poisson_nll_loss(prediction, target, **settings).mean(-1)


def _quantile(loss, prediction, target):
    quantiles = _weights(loss.quantiles).reshape(-1, 1)
    difference = target.unsqueeze(1) - prediction.reshape(len(prediction), len(quantiles), -1)
    return torch.maximum(quantiles * difference, (quantiles - 1) * difference).mean((1, 2))


def _divergence(loss, logits, target):
    return F.kl_div(F.log_softmax(logits, -1), target, log_target=loss.log_target, reduction="none").sum(-1)


def _log_cosh(loss, prediction, target):
    difference = prediction - target  # as Keras writes it, which loses the digits of small ones
    return (difference + F.softplus(-2 * difference) - math.log(2)).mean(-1)


def _hinge(loss, prediction, target):
    lacking = (1 - torch.where(target > 0, 1.0, -1.0) * prediction).clamp(min=0)
    return (lacking**2 if loss.squared else lacking).mean(-1)


def _categorical_hinge(loss, scores, target):
    target, power = target.long(), 2 if loss.squared else 1
    weight = torch.ones(scores.shape[-1]) if loss.class_weight is None else loss.class_weight
    weight = torch.as_tensor(weight, dtype=scores.dtype)
    if loss.every:
        return F.multi_margin_loss(scores, target, p=power, margin=loss.margin, weight=weight, reduction="none")
    own = F.one_hot(target, scores.shape[-1]).bool()
    nearest = scores.masked_fill(own, -math.inf).max(-1).values
    return weight[target] * (loss.margin - scores[own] + nearest).clamp(min=0) ** power


def _binary_focal(loss, logits, target):
    yes, no = -F.logsigmoid(logits), -F.logsigmoid(-logits)
    alpha, rest = (1.0, 1.0) if loss.alpha is None else (loss.alpha, 1 - loss.alpha)
    terms = alpha * target * (-loss.gamma * no).exp() * yes + rest * (1 - target) * (-loss.gamma * yes).exp() * no
    return (terms if loss.class_weight is None else terms * _weights(loss.class_weight)).mean(-1)


def _softmax_focal(loss, logits, target):
    q = target if target.ndim == 2 else F.one_hot(target.long(), logits.shape[-1])
    logarithm = F.log_softmax(logits, -1)
    alpha = 1.0 if loss.alpha is None else _weights(loss.alpha)
    return -(alpha * q * (1 - logarithm.exp()) ** loss.gamma * logarithm).sum(-1)


def _percentage(loss, prediction, target):
    return 100 * ((prediction - target).abs() / target.abs().clamp(min=loss.epsilon)).mean(-1)


def _logarithmic(loss, prediction, target):
    return (torch.log1p(prediction.clamp(min=0)) - torch.log1p(target)).square().mean(-1)


def dice(loss, logits, target, weight=1.0):
    s, axes = torch.sigmoid(logits), tuple(range(1, logits.ndim))
    return 1 - (2 * (weight * s * target).sum(axes) + loss.smooth) / ((weight * (s + target)).sum(axes) + loss.smooth)


TERMS = {
    kind: _in_floats(terms)
    for kind, terms in {
        losses.BinaryFocalCrossEntropy: _binary_focal,
        losses.CategoricalHinge: _categorical_hinge,
        losses.Dice: dice,
        losses.GaussianNegativeLogLikelihood: _gaussian,
        losses.Hinge: _hinge,
        losses.KLDivergence: _divergence,
        losses.LogCosh: _log_cosh,
        losses.MeanAbsolutePercentageError: _percentage,
        losses.MeanSquaredLogarithmicError: _logarithmic,
        losses.PoissonNegativeLogLikelihood: _poisson,
        losses.Quantile: _quantile,
        losses.SoftmaxFocalCrossEntropy: _softmax_focal,
    }.items()
}
